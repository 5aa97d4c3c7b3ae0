/** Memory for the parts on their way: bounded for all uploads of a location together. */
export interface Buffers {
  /** Waits until there is room. A buffer larger than all room comes alone. */
  take(size: number): Promise<Buffer>;
  /** `reuse` is false when something may still read it. */
  give(buffer: Buffer, reuse: boolean): void;
}

export function openBuffers(total: number): Buffers {
  let taken = 0;
  const free: Buffer[] = [];
  const waiting: (() => void)[] = [];
  return {
    async take(size) {
      while (taken > 0 && taken + size > total) await new Promise<void>((resolve) => waiting.push(resolve));
      taken += size;
      const index = free.findIndex((buffer) => buffer.length === size);
      const [found] = index < 0 ? [] : free.splice(index, 1);
      if (!found) free.length = 0;
      return found ?? Buffer.allocUnsafeSlow(size);
    },
    give(buffer, reuse) {
      taken -= buffer.length;
      if (reuse) free.push(buffer);
      for (const wake of waiting.splice(0)) wake();
    },
  };
}
