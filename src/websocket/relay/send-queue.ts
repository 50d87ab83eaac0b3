/** Something that waits to be sent, behind what came before it. */
export interface QueuedItem {
  /** Undefined while it is looked at. */
  frames: readonly Buffer[] | undefined
  /** Bytes that it keeps in memory. */
  size: number
  /** What follows when it has been sent. */
  onSent?: (() => void) | undefined
}

/** Places of items that have gone, of which no more than so many are kept. */
const MAX_GONE = 32

/** What waits to be sent, in its order. An item goes when all before it have gone. */
export class SendQueue {
  #items: Array<QueuedItem | undefined> = []
  #head = 0
  bytes = 0
  /** Items that are still looked at. */
  pending = 0

  get isEmpty (): boolean {
    return this.#head === this.#items.length
  }

  /** How many items wait. */
  get length (): number {
    return this.#items.length - this.#head
  }

  add (item: QueuedItem): void {
    this.#items.push(item)
    this.bytes += item.size
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

  /** Takes out the first item that is still looked at, and all behind it. */
  dropPending (): void {
    const index = this.#items.findIndex(item => item !== undefined && item.frames === undefined)
    if (index !== -1) this.#dropFrom(index)
  }

  /** Takes the next item that is ready; undefined where there is none. */
  take (): QueuedItem | undefined {
    const item = this.#items[this.#head]
    if (item?.frames === undefined) return undefined
    this.#items[this.#head++] = undefined
    // A busy queue may never be empty.
    if (this.#head > MAX_GONE && this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head)
      this.#head = 0
    }
    this.bytes -= item.size
    return item
  }

  /** Takes out all that stands behind an item. */
  dropBehind (item: QueuedItem): void {
    this.#dropFrom(this.#items.indexOf(item, this.#head) + 1)
  }

  /** What is still looked at counts as settled. */
  #dropFrom (index: number): void {
    for (const dropped of this.#items.splice(index)) {
      if (dropped!.frames === undefined) this.settle(dropped!, [])
      this.bytes -= dropped!.size
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
