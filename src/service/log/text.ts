import { prettyFactory } from 'pino-pretty'

interface Line {
  level: number
  msg?: string
  req?: { method: string, url: string, remoteAddress?: string }
  res?: { statusCode?: number }
  responseTime?: number
  upstream?: string
  target?: string
  attempts?: number
  reason?: string
  by?: string
  err?: { type?: string, code?: string, message?: string, stack?: string, cause?: Line['err'] }
  session?: { target?: string, by: string, reason: string, code: number, duration: number, fromClient: { messages: number }, fromTarget: { messages: number } }
}

const OPTIONS = { ignore: 'pid,hostname,reqId', translateTime: 'SYS:HH:MM:ss.l' }

/** Makes a readable line of one that is JSON: one for a request, and one for a session. */
export function textLines (colorize: boolean): (line: string) => string {
  const ofExchange = prettyFactory({ ...OPTIONS, colorize, hideObject: true, messageFormat: line => exchangeText(line as unknown as Line) })
  const ofKnownError = prettyFactory({ ...OPTIONS, colorize, hideObject: true, messageFormat: line => `${(line as unknown as Line).msg}: ${errorText((line as unknown as Line).err)}` })
  const others = prettyFactory({ ...OPTIONS, colorize, singleLine: true })
  return text => {
    let line: Line
    try {
      line = JSON.parse(text) as Line
    } catch {
      return text
    }
    if (line.req !== undefined && (line.res !== undefined || line.session !== undefined)) return ofExchange(text)
    // Where it comes from is known, so its stack says nothing more.
    if (line.err?.code?.startsWith('SLUICE_') === true && line.level > 20) return ofKnownError(text)
    return others(text)
  }
}

function exchangeText ({ req, res, responseTime, session, upstream, target, attempts = 1, by, reason, err }: Line): string {
  const where = (url: string | undefined): string => upstream === undefined ? '' : ` → ${upstream}${url === undefined || url === upstream ? '' : ` ${url}`}`
  const from = req!.remoteAddress === undefined ? '' : `${req!.remoteAddress} `
  if (session !== undefined) {
    const { fromClient, fromTarget, duration, code } = session
    return `${from}WS ${req!.url} ended by ${session.by}: ${session.reason} ${code}, after ${time(duration)}, ${fromClient.messages}/${fromTarget.messages} messages${where(session.target)}`
  }
  const ended = reason === undefined || reason === 'complete' || reason === 'refused' || reason === 'error' ? '' : `, ${reason} by ${by}`
  const tries = attempts > 1 ? `, ${attempts} attempts` : ''
  const cause = err === undefined ? '' : `: ${errorText(err)}`
  return `${from}${req!.method} ${req!.url} ${res?.statusCode ?? '-'} ${time(responseTime ?? 0)}${where(target)}${tries}${ended}${cause}`
}

/** Its code, and what is behind it. */
function errorText (err: Line['err']): string {
  let cause = err?.cause
  while (cause?.cause !== undefined) cause = cause.cause
  return `${err?.code ?? err?.type ?? 'error'}, ${cause?.message ?? err?.message}`
}

function time (milliseconds: number): string {
  if (milliseconds < 1_000) return `${milliseconds.toFixed(1)} ms`
  const seconds = milliseconds / 1000
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s` : `${Math.floor(seconds / 3600)} h ${Math.floor(seconds % 3600 / 60)} min`
}
