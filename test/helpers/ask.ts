import { once } from 'node:events'
import { request, type IncomingHttpHeaders, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'

export interface Asked { status: number, headers: IncomingHttpHeaders, rawHeaders: string[], body: Buffer }

/** Makes a request on a connection of its own and gives the response as it is: no redirect followed, nothing decoded. */
export async function ask (url: string, { method = 'GET', headers = {}, body }: { method?: string, headers?: OutgoingHttpHeaders, body?: string | Buffer } = {}): Promise<Asked> {
  const outgoing = request(url, { method, headers, agent: false })
  outgoing.end(body)
  const [answer] = await once(outgoing, 'response') as [IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk as Buffer)
  return { status: answer.statusCode!, headers: answer.headers, rawHeaders: answer.rawHeaders, body: Buffer.concat(chunks) }
}
