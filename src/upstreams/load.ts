/** What there is to do now. */
export interface Load {
  requests: number
  handshakes: number
  sessions: number
}

/** That of an upstream, over all its targets. It is kept by the upstream's name, and outlives a reload. */
export interface UpstreamLoad extends Load {
  /** Requests and handshakes that are sent again. */
  retries: number
}

export const noLoad = (): Load => ({ requests: 0, handshakes: 0, sessions: 0 })
