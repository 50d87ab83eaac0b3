import { Type } from '@sinclair/typebox'
import { closed } from './units.js'
import type * as types from './types.js'

/** The admin listener: `admin` in sluice.yaml, and the options of the plugin `sluice/admin`. */
export const AdminOptions = Type.Object({
  host: Type.Optional(Type.String({ minLength: 1, default: '127.0.0.1', description: 'Address to listen on. One that is not loopback needs a token.' })),
  port: Type.Optional(Type.Integer({ minimum: 0, maximum: 65535, default: 9901, description: 'Port to listen on; 0 takes a free one.' })),
  socketPath: Type.Optional(Type.String({ minLength: 1, description: 'Path of a Unix socket to listen on, in the place of host and port; only the user of the process may connect.' })),
  token: Type.Optional(Type.String({ minLength: 16, description: 'What a request must show, as Authorization: Bearer TOKEN, or as the password of Basic, which browsers ask for. /healthz and /readyz need none. Default: the environment variable ADMIN_TOKEN of the service, or none.' }))
}, { ...closed, description: 'The admin listener: health, metrics, API and status page.' })
export type AdminOptions = types.AdminOptions
