/** What a client has asked for, as far as the target's response is held against it. */
export interface Offer {
  /** Undefined if there is none, or more than one: only a route that is not strict allows that. */
  key: string | undefined
  protocols: string[]
  extensions: string[]
  /** What the route's own options allow a target to choose, whatever the client has offered. */
  allowed?: { protocols: readonly string[] | undefined, extensions: boolean } | undefined
  /** The target is offered permessage-deflate without context takeover, or no extension. */
  withoutTakeover?: boolean
}
