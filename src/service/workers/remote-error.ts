/** What is told of an error to another process. */
export interface Failed {
  message: string
  code: string | undefined
  statusCode: number | undefined
  /** For people, as the service prints it. */
  text: string
}

/** An error that was thrown in another process. Its class did not survive the way. */
export class RemoteError extends Error {
  readonly code: string | undefined
  readonly statusCode: number | undefined
  readonly text: string

  constructor ({ message, code, statusCode, text }: Failed) {
    super(message)
    this.code = code
    this.statusCode = statusCode
    this.text = text
  }
}
