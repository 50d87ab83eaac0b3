/** What a hook for messages returns for one that is to go nowhere. */
export const drop: unique symbol = Symbol('sluice.drop')
