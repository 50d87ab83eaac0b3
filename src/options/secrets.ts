/** Options whose values go into no message and no response. */
export const SECRET_OPTIONS: ReadonlySet<string> = new Set(['token', 'secret', 'passphrase'])
