import { Socket, type OnReadOpts } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

/**
 * Reading many sockets into one buffer.
 *
 * Node allocates 64 KiB for each read of a socket, and gives most of it back; that is where a relay in Node
 * loses against others (docs/benchmarks.md). The event loop hands out one read at a time, so all sockets can
 * read into the same memory, if what was read is passed on, or copied, before the next read.
 *
 * `onread` is Node's documented option for it, but only for sockets that one connects oneself. One that was
 * accepted must be taken over by its handle, which is not documented (ARCHITECTURE.md, rule 6). Where that is not
 * possible, as over TLS, the socket is read by its 'data' events.
 */
export const sharedReads = { enabled: true }

/** As much as Node reads at a time. */
const READ_SIZE = 64 * 1024
const buffer = Buffer.allocUnsafeSlow(READ_SIZE)

type ChunkListener = (chunk: Buffer) => void

interface Reader {
  /** What the socket had read before it was taken over. */
  before: Buffer | null
  listener: ChunkListener | undefined
}

const readers = new WeakMap<Duplex, Reader>()

/** The undocumented part of a socket, as far as it is used here. */
interface SocketInternals {
  _handle: { useUserBuffer?: unknown, readStop?: () => void, reading?: boolean } | null
}

/**
 * A socket on the same connection that reads into the shared buffer; or the same socket, where that cannot be.
 * It takes the place of the one given, which must not be used any more. Neither may be read from yet.
 */
export function readShared (socket: Duplex): Duplex {
  if (!sharedReads.enabled || !(socket instanceof Socket) || socket instanceof TLSSocket || readers.has(socket)) return socket
  const internals = socket as unknown as SocketInternals
  const handle = internals._handle
  if (handle === null || typeof handle.useUserBuffer !== 'function' || typeof handle.readStop !== 'function') return socket
  // What is on its way in or out needs the old socket.
  if (socket.destroyed || socket.readableEnded || socket.writableLength > 0 || socket.writableEnded) return socket

  socket.pause()
  const reader: Reader = { before: readRest(socket), listener: undefined }
  keepAddresses(socket)
  handle.readStop()
  handle.reading = false
  internals._handle = null
  const taken = new Socket({ handle, allowHalfOpen: true, manualStart: true, onread: onReadOf(reader) } as never)
  // The server counts the old socket until it is closed.
  taken.on('close', () => socket.destroy())
  taken.on('error', () => {})
  readers.set(taken, reader)
  return taken
}

/** The `onread` option with which a new socket reads into the shared buffer; undefined if that is not possible. */
export function connectShared (connect: (onread: OnReadOpts | undefined) => Promise<Socket>): Promise<Socket> {
  if (!sharedReads.enabled) return connect(undefined)
  const reader: Reader = { before: null, listener: undefined }
  return connect(onReadOf(reader)).then(socket => {
    if (!(socket instanceof TLSSocket)) readers.set(socket, reader)
    return socket
  })
}

function onReadOf (reader: Reader): OnReadOpts {
  return {
    buffer,
    callback: length => {
      const chunk = buffer.subarray(0, length)
      if (reader.listener !== undefined) {
        reader.listener(chunk)
        return true
      }
      // A socket begins to read as soon as it is connected.
      reader.before = Buffer.from(chunk)
      return false
    }
  }
}

/** A socket's addresses are asked for later, by logs and hooks; a first question, now, lets it remember them. */
function keepAddresses ({ localAddress, remoteAddress }: Socket): boolean {
  return localAddress !== undefined && remoteAddress !== undefined
}

/** All that a socket has read. One read() gives all of it, or (from Node 26) its first chunk. */
function readRest (socket: Duplex): Buffer | null {
  const chunks: Buffer[] = []
  for (let chunk; (chunk = socket.read() as Buffer | null) !== null;) chunks.push(chunk)
  return chunks.length === 0 ? null : Buffer.concat(chunks)
}

/**
 * Begins to read a socket. A chunk of a shared reader is only the listener's until it returns.
 *
 * @returns Stops it, and leaves the socket paused for another listener.
 */
export function readChunks (socket: Duplex, listener: ChunkListener): () => void {
  const reader = readers.get(socket)
  if (reader === undefined) {
    socket.on('data', listener).resume()
    return () => { socket.off('data', listener).pause() }
  }
  reader.listener = listener
  const { before } = reader
  reader.before = null
  if (before !== null) process.nextTick(() => listener(before))
  socket.resume()
  return () => { socket.pause() }
}

/** Puts back what was read of a socket that is not read now. */
export function unread (socket: Duplex, chunk: Buffer): void {
  if (chunk.length === 0) return
  const reader = readers.get(socket)
  if (reader === undefined) socket.unshift(chunk)
  else reader.before = chunk
}

/** A chunk whose memory is not used again: a copy, where a socket has read it into the shared buffer. */
export function kept (chunk: Buffer): Buffer {
  return isSharedChunk(chunk) ? Buffer.from(chunk) : chunk
}

export function isSharedChunk (chunk: Buffer): boolean {
  return chunk.buffer === buffer.buffer
}

/** Whether the chunks of a socket must be copied to be kept. */
export function isShared (socket: Duplex): boolean {
  return readers.has(socket)
}

/**
 * Whether a socket hands what is written to the system before `write()` returns, or tells that it could not. One
 * that already waits keeps every further chunk; TLS keeps them all, and so may streams that are no sockets.
 */
function takesAtOnce (sink: Duplex): boolean {
  return sink.writableLength === 0 && sink instanceof Socket && !(sink instanceof TLSSocket)
}

/** Where small and large chunks are copied to. */
const scratch = { small: Buffer.allocUnsafeSlow(READ_SIZE / 4), large: Buffer.allocUnsafeSlow(READ_SIZE) }

/**
 * Writes a chunk whose memory is about to be used again.
 *
 * @returns As `write()` does.
 */
export function writeCopy (sink: Duplex, chunk: Buffer): boolean {
  const { length } = chunk
  // What is longer than a read is no part of the shared buffer.
  if (length > READ_SIZE) return sink.write(chunk)
  if (!takesAtOnce(sink)) return sink.write(Buffer.from(chunk))
  const size = length <= READ_SIZE / 4 ? 'small' : 'large'
  const copy = scratch[size]
  chunk.copy(copy)
  const more = sink.write(copy.subarray(0, length))
  // Usually the system has taken it all by now, and the copy can be used again. Otherwise the write keeps it.
  if (sink.writableLength > 0) scratch[size] = Buffer.allocUnsafeSlow(copy.length)
  return more
}
