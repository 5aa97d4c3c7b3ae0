/** Numbers that follow from a seed: a schedule is the same each time it is played. */
export interface Random {
  /** 0 ≤ x < 1 */
  next(): number;
  /** 0 ≤ n < `below` */
  below(below: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** In another order. */
  shuffled<T>(items: readonly T[]): T[];
}

/** mulberry32 */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  // Neighbouring seeds begin alike.
  for (let warm = 0; warm < 4; warm++) next();
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)]!,
    shuffled(items) {
      const order = [...items];
      for (let index = order.length - 1; index > 0; index--) {
        const other = below(index + 1);
        [order[index], order[other]] = [order[other]!, order[index]!];
      }
      return order;
    },
  };
}
