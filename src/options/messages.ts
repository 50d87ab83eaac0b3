import { Type } from '@sinclair/typebox'
import type { CloseFunction, MessageFunction } from './functions.js'
import { MessageRules } from './message-rules.js'
import { closed, milliseconds } from './units.js'
import type * as types from './types.js'

const maxSize = Type.Optional(Type.Integer({
  unit: 'bytes', minimum: 1, maximum: 2 ** 31 - 1, default: 1_048_576, description: 'Payload of the longest message, over all its frames, on the wire and decompressed; a longer one ends the session with 1009. A message is in memory until its hooks are done, and so are those that wait behind it, up to this size. Bytes.'
}))
const maxPending = Type.Optional(Type.Integer({
  minimum: 1, maximum: 10_000, default: 16, description: 'Messages of one side whose hooks may be under way at a time. They begin in order, and what becomes of the messages goes on in order; with 1, each begins when the one before is done. While so many are under way, the side is not read.'
}))

/** The `messages` option of a route, in sluice.yaml. */
export const MessageConfig = Type.Object({
  fromClient: Type.Optional(MessageRules),
  fromTarget: Type.Optional(MessageRules),
  maxSize
}, { ...closed, description: 'Rules for the messages of the sessions, each of which is gathered and checked before any of it goes on. Without them bytes are relayed as they come.' })
export type MessageConfig = types.MessageConfig

const hook = Type.Unsafe<MessageFunction>(Type.Function([Type.Any(), Type.Any()], Type.Any(), { typeName: 'MessageFunction' }))
const hookDescription = 'It is given the message ({ data, text, binary }) and the session, and returns nothing (the message goes on byte for byte), a string or bytes (they go on in its place), or `drop`; it may be async, and may close the session. In its place, an object has rules. Of several, each sees what the one before has made of it.'

/** The `messages` option of a route, from code. */
export const MessageOptions = Type.Object({
  fromClient: Type.Optional(Type.Union([hook, MessageRules, Type.Array(Type.Union([hook, MessageRules]))], { description: `Looks at each message of the client. ${hookDescription}` })),
  fromTarget: Type.Optional(Type.Union([hook, MessageRules, Type.Array(Type.Union([hook, MessageRules]))], { description: `Looks at each message of the target. ${hookDescription}` })),
  onClose: Type.Optional(Type.Unsafe<CloseFunction>(Type.Function([Type.Any(), Type.Any(), Type.Any(), Type.Any()], Type.Any(), {
    typeName: 'CloseFunction', description: "Called when a side has sent a Close frame: with its code (1005 for none), its reason, the session, and 'client' or 'target'. It changes nothing."
  }))),
  maxSize,
  maxPending,
  timeout: Type.Optional(milliseconds(5_000, 'How long the hooks of a message may take; then the session ends with 1011, and the message goes nowhere.'))
}, { ...closed, description: 'Hooks and rules for the messages of the sessions, each of which is gathered and looked at before any of it goes on. Without them bytes are relayed as they come.' })
export type MessageOptions = types.MessageOptions
