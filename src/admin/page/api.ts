import type { SessionFilter, TargetState } from './protocol.js'

/** What a page may change at the gateway. Each throws an Error with what the server says of the failure. */

export async function closeSession (id: string, code: number, reason: string): Promise<void> {
  await send('DELETE', `sessions/${encodeURIComponent(id)}?${new URLSearchParams({ code: String(code), reason }).toString()}`)
}

/** @returns How many were closed. */
export async function closeSessions (filter: SessionFilter, code: number, reason: string): Promise<number> {
  const { closed } = await send('POST', 'sessions/close', { filter, code, reason }) as { closed: number }
  return closed
}

export async function setTargetState (upstream: string, url: string, state: TargetState): Promise<void> {
  await send('PATCH', `upstreams/${encodeURIComponent(upstream)}/targets`, { url, state })
}

/** @returns What the gateway says of it. */
export async function reload (): Promise<string> {
  const { text } = await send('POST', 'reload') as { text: string }
  return text
}

/** The status with which the gateway responds to this page; undefined if it does not. */
export async function statusOfAccess (): Promise<number | undefined> {
  return await fetch(new URL('api', document.baseURI)).then(({ status }) => status, () => undefined)
}

async function send (method: string, path: string, body?: object): Promise<unknown> {
  let response: Response
  try {
    response = await fetch(new URL(`api/${path}`, document.baseURI), {
      method,
      ...body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    })
  } catch {
    throw new Error('The gateway cannot be reached.')
  }
  const result = await response.json().catch(() => ({})) as { message?: string, text?: string }
  if (!response.ok) throw new Error(result.message ?? result.text ?? `The gateway responded with ${response.status}.`)
  return result
}
