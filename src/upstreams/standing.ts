/** What an operator has decided about a target. */
export type TargetState = 'ready' | 'drain' | 'maintenance'

/** What is found out about a target: by checks, or by traffic. */
export type TargetHealth = 'healthy' | 'ejected' | 'down'

/** The state or the health of a target has changed. */
export interface TargetChange {
  upstream: string
  /** The origin of the target. */
  target: string
  state: TargetState
  health: TargetHealth
  before: { state: TargetState, health: TargetHealth }
  /** Why, for the log. */
  reason: string | undefined
}

/** When a target is ejected by passive health checks, and for how long. */
export interface EjectionRules {
  /** Consecutive failures. */
  failures: number
  /** Milliseconds. */
  ejectFor: number
  /** Milliseconds. */
  maxEjectFor: number
}

/** By how much an ejection is shortened or lengthened, so that several targets do not come back together. */
const JITTER = 0.2

/**
 * What is known of a target as a member of an upstream. It is kept with the endpoint, under the name of the upstream, so
 * that it outlives a reload.
 */
export class Standing {
  readonly upstream: string
  readonly target: string
  readonly #onChange: (standing: Standing, change: TargetChange) => void
  #state: TargetState = 'ready'
  /** By active checks. */
  #down = false
  /** The ejection by passive checks. */
  #ejection: NodeJS.Timeout | undefined
  /** Ejections in a row. */
  #ejections = 0
  /** Until when no failure makes the next ejection as short as the first, as `performance.now()` counts. */
  #goodAt = 0
  /** Consecutive failures. */
  #failures = 0
  /** Attempts that failed, in all. */
  failed = 0
  /** How often it was ejected, in all. */
  ejected = 0
  /** Since when it has its state and health. */
  since = new Date()
  /** Why it has them; undefined for a target that has always been ready and healthy. */
  reason: string | undefined
  /** When it was added, or came back, as `performance.now()` counts; 0 for one that was there from the start. */
  backAt = 0

  constructor (upstream: string, target: string, onChange: (standing: Standing, change: TargetChange) => void) {
    this.upstream = upstream
    this.target = target
    this.#onChange = onChange
  }

  get state (): TargetState {
    return this.#state
  }

  get health (): TargetHealth {
    if (this.#down) return 'down'
    return this.#ejection === undefined ? 'healthy' : 'ejected'
  }

  /** Whether it gets requests and handshakes, going by all that is known. */
  get usable (): boolean {
    return this.#state === 'ready' && !this.#down && this.#ejection === undefined
  }

  /** By an operator. */
  setState (state: TargetState): void {
    if (state === this.#state) return
    this.#change(`set to '${state}'`, () => { this.#state = state })
  }

  /** By active checks, when enough of them have failed, or passed: that also ends an ejection. */
  setDown (down: boolean, reason: string): void {
    if (down === this.#down && (down || this.#ejection === undefined)) return
    if (!down) this.#failures = this.#ejections = 0
    this.#change(reason, () => {
      this.#down = down
      if (!down) this.#endEjection()
    })
  }

  /** Traffic has shown that it works. Called for each response. */
  succeed (): void {
    if (this.#failures !== 0) this.#failures = 0
    if (this.#ejections !== 0 && this.#ejection === undefined && performance.now() > this.#goodAt) this.#ejections = 0
  }

  /**
   * Traffic has failed.
   *
   * @param mayEject Asked when it is to be ejected: whether enough other targets are left.
   */
  fail (rules: EjectionRules, reason: string, mayEject: () => boolean): void {
    this.#failures++
    if (this.#failures < rules.failures || this.#ejection !== undefined || !mayEject()) return
    const time = Math.min(rules.ejectFor * (this.#ejections + 1), rules.maxEjectFor) * (1 - JITTER + 2 * JITTER * Math.random())
    this.#ejections++
    this.ejected++
    this.#change(`${this.#failures} failures in a row, the last one: ${reason}; ejected for ${Math.round(time)} ms`, () => {
      this.#ejection = setTimeout(() => this.#comeBack(rules, time), time).unref()
    })
  }

  #comeBack (rules: EjectionRules, time: number): void {
    this.#change('its ejection is over', () => {
      this.#ejection = undefined
      // The next failure shows that nothing has changed.
      this.#failures = rules.failures - 1
      this.#goodAt = performance.now() + time
    })
  }

  #endEjection (): void {
    clearTimeout(this.#ejection)
    this.#ejection = undefined
  }

  #change (reason: string, change: () => void): void {
    const before = { state: this.#state, health: this.health }
    const wasUsable = this.usable
    change()
    if (this.#state === before.state && this.health === before.health) return
    this.since = new Date()
    this.reason = reason
    if (this.usable && !wasUsable) this.backAt = performance.now()
    this.#onChange(this, { upstream: this.upstream, target: this.target, state: this.#state, health: this.health, before, reason })
  }

  /** It is needed no more. */
  close (): void {
    this.#endEjection()
  }
}
