/** Something that waits to be sent, behind what came before it. */
export interface QueuedItem {
  /** Undefined while it is looked at. */
  frames: readonly Buffer[] | undefined
  /** Bytes that it keeps in memory. */
  size: number
  /** What follows when it has been sent. */
  onSent?: (() => void) | undefined
}

/** About what an item takes in memory beside its bytes: very many small messages take more than what stands in them. */
const OVERHEAD = 256

/** What waits to be sent, in its order. An item goes when all before it have gone. */
export class SendQueue {
  #items: QueuedItem[] = []
  #head = 0
  /** What all of it takes in memory, about. */
  bytes = 0
  /** Items that are still looked at. */
  pending = 0

  get isEmpty (): boolean {
    return this.#head === this.#items.length
  }

  add (item: QueuedItem): void {
    this.#items.push(item)
    this.bytes += item.size + OVERHEAD
    if (item.frames === undefined) this.pending++
  }

  /** An item that was looked at is ready: these frames take its place. */
  settle (item: QueuedItem, frames: readonly Buffer[]): void {
    this.pending--
    this.bytes -= item.size
    item.frames = frames
    item.size = sizeOf(frames)
    this.bytes += item.size
  }

  /** Takes the next item that is ready; undefined where there is none. */
  take (): QueuedItem | undefined {
    const item = this.#items[this.#head]
    if (item?.frames === undefined) return undefined
    this.#head++
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    }
    this.bytes -= item.size + OVERHEAD
    return item
  }

  /** Takes out all that stands behind an item. */
  dropBehind (item: QueuedItem): void {
    const index = this.#items.indexOf(item, this.#head)
    for (const { size, frames } of this.#items.splice(index + 1)) {
      this.bytes -= size + OVERHEAD
      if (frames === undefined) this.pending--
    }
  }

  /** What is still looked at may settle later, to no effect. */
  clear (): void {
    this.#items = []
    this.#head = 0
    this.bytes = this.pending = 0
  }
}

export function sizeOf (frames: readonly Buffer[]): number {
  let size = 0
  for (const { length } of frames) size += length
  return size
}
