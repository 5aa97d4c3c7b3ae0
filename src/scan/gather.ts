/** Hands on what is gathered in groups, one at a time, while the next group is gathered; who gathers faster than that waits. */
export interface Gatherer<T> {
  add(item: T, rows: number): Promise<void>;
  /** Everything that was added is handed on. */
  flush(): Promise<void>;
}

export function openGatherer<T>(full: number, hand: (group: T[]) => Promise<void>): Gatherer<T> {
  let group: T[] = [];
  let rows = 0;
  let handing: Promise<void> = Promise.resolve();
  const next = () => {
    const [items, before] = [group, handing];
    group = [];
    rows = 0;
    handing = before.then(() => hand(items));
    // Whoever waits for it next is told.
    handing.catch(() => undefined);
    return before;
  };
  return {
    async add(item, size) {
      group.push(item);
      rows += size;
      if (rows >= full) await next();
    },
    async flush() {
      void next();
      await handing;
    },
  };
}
