/** Runs at most so many bodies at once, in the order in which they were handed in. */
export type Lanes = <T>(body: () => Promise<T>) => Promise<T>;

export function openLanes(size: number): Lanes {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (body) => {
    if (running >= size) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await body();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
