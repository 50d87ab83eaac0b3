/** Somebody who takes tokens: a session, for example. */
export type Party = object

/** A party that has taken tokens on credit, or one that waits for those who have. */
interface Waiter {
  readonly party: Party
  /** It waits until each debtor has paid so much, as `#paid` counts. */
  readonly due: number
  /** Whether it is in debt itself: 1, or 0. */
  readonly share: 0 | 1
}

/**
 * A token bucket: so many tokens a second, up to a burst. Several parties may take from it, on credit if need be; then
 * the tokens that come pay back what they owe, in equal parts. Who owes little is out of debt soon, however much the
 * others owe.
 *
 * Times are milliseconds, of one clock.
 */
export class TokenBucket {
  #perSecond: number
  #burst: number
  /** None as long as there are debts. */
  #tokens: number
  #settledAt: number
  /** What each of those who have been in debt all the time has paid so far. */
  #paid = 0
  #debtors = 0
  /** By when they are done. */
  readonly #waiters: Waiter[] = []

  constructor (perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = burst
    this.#settledAt = now
  }

  /** Takes tokens. Returns how long it takes until the party has paid back what it owes; 0 if it owes nothing. */
  take (party: Party, count: number, now: number): number {
    this.#settle(now)
    if (count > 0) {
      const owed = this.#remove(party) + count
      const paid = Math.min(this.#tokens, owed)
      this.#tokens -= paid
      if (owed > paid) this.#insert(party, this.#paid + owed - paid, 1)
    }
    return this.#timeLeft(party)
  }

  /** Makes a party wait until all that is owed now is paid back. */
  queue (party: Party, now: number): void {
    this.#settle(now)
    const last = this.#waiters.at(-1)
    if (last !== undefined) this.#insert(party, last.due, 0)
  }

  /** Makes one party's debt another one's. */
  pass (from: Party, to: Party, now: number): void {
    this.#settle(now)
    const owed = this.#remove(from)
    if (owed > 0) this.#insert(to, this.#paid + owed + this.#remove(to), 1)
  }

  /** How long it takes until it is full; 0 if it is. */
  untilFull (now: number): number {
    this.#settle(now)
    const owed = this.#waiters.reduce((sum, { due, share }) => sum + (due - this.#paid) * share, 0)
    return this.#timeFor(owed + this.#burst - this.#tokens)
  }

  /** Whether anybody owes something. */
  isInDebt (now: number): boolean {
    this.#settle(now)
    return this.#debtors > 0
  }

  /** Has another rate from a time on. What is in it, and what is owed, stays; but it holds no more than the new burst. */
  change (perSecond: number, burst: number, at: number): void {
    this.#settle(at)
    this.#perSecond = perSecond
    this.#burst = burst
    this.#tokens = Math.min(this.#tokens, burst)
  }

  #settle (now: number): void {
    let elapsed = now - this.#settledAt
    if (elapsed <= 0) return
    this.#settledAt = now
    let done = 0
    while (this.#debtors > 0) {
      const { due, share } = this.#waiters[done]!
      const needed = (due - this.#paid) * this.#debtors / this.#perSecond * 1000
      if (needed > elapsed) {
        this.#paid += elapsed / 1000 * this.#perSecond / this.#debtors
        break
      }
      elapsed -= needed
      this.#paid = due
      this.#debtors -= share
      done++
    }
    if (this.#debtors === 0) {
      done = this.#waiters.length
      this.#tokens = Math.min(this.#burst, this.#tokens + elapsed / 1000 * this.#perSecond)
    }
    if (done > 0) this.#waiters.splice(0, done)
  }

  #insert (party: Party, due: number, share: 0 | 1): void {
    let index = this.#waiters.length
    while (index > 0 && this.#waiters[index - 1]!.due > due) index--
    this.#waiters.splice(index, 0, { party, due, share })
    this.#debtors += share
  }

  /** A party waits no more. Returns what it owed. */
  #remove (party: Party): number {
    const index = this.#waiters.findIndex(waiter => waiter.party === party)
    if (index === -1) return 0
    const { due, share } = this.#waiters.splice(index, 1)[0]!
    this.#debtors -= share
    return (due - this.#paid) * share
  }

  /** How long a party waits, if nobody takes more. */
  #timeLeft (party: Party): number {
    let owedBefore = 0
    let debtors = this.#debtors
    for (const { party: other, due, share } of this.#waiters) {
      // Those behind it pay as much until then as it does.
      if (other === party) return this.#timeFor(owedBefore + (due - this.#paid) * debtors)
      owedBefore += (due - this.#paid) * share
      debtors -= share
    }
    return 0
  }

  /** How long it takes for so many tokens to come, without what rounding has left of one. */
  #timeFor (count: number): number {
    return Math.ceil(count / this.#perSecond * 1000 - 1e-6)
  }
}
