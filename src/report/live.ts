import { Listr, ListrLogger, ProcessOutput } from "listr2";
import type { Display, ProgressOptions } from "./progress.js";

/** The spinner redraws ten times a second; titles need not change more often. */
const REDRAW = 100;

interface Row {
  /** The listr2 task, once it runs. */
  task?: { title: string; output: string };
  title: string;
  resolve(): void;
  reject(error: Error): void;
  readonly done: Promise<void>;
}

/** A phase drawn in place on a terminal by listr2. */
export function livePhase(title: string, names: readonly string[], options: ProgressOptions): Display {
  const rows = new Map(names.map((name) => [name, openRow(name)]));
  const whole = openRow(title);
  // listr2 asks for a real WriteStream; the command line hands stderr through.
  const stream = options.stream as NodeJS.WriteStream;
  const list = new Listr(
    [
      {
        title,
        task: (_context, task) => {
          whole.task = task;
          return task.newListr(
            [...rows.values()].map((row) => ({
              title: row.title,
              task: (_inner, inner) => {
                row.task = inner;
                inner.title = row.title;
                return row.done;
              },
            })),
            { concurrent: true, exitOnError: false },
          );
        },
      },
    ],
    {
      exitOnError: false,
      registerSignalListeners: false,
      renderer: "default",
      fallbackRendererCondition: false,
      rendererOptions: {
        logger: new ListrLogger({
          useIcons: true,
          processOutput: new ProcessOutput(stream, stream, { leaveEmptyLine: false }),
        }),
        collapseSubtasks: false,
        collapseErrors: false,
        showErrorMessage: false,
        formatOutput: "truncate",
      },
    },
  );
  const running = list.run();
  const drawn = new Map<string, number>();
  const retitle = (name: string, text: string): Row | undefined => {
    const row = rows.get(name);
    if (!row) return undefined;
    row.title = text;
    if (row.task) row.task.title = text;
    return row;
  };
  return {
    update(name, text) {
      const now = options.clock();
      if (now - (drawn.get(name) ?? 0) < REDRAW) return;
      drawn.set(name, now);
      retitle(name, text());
    },
    finish: (name, text) => retitle(name, text)?.resolve(),
    fail: (name, text) => retitle(name, text)?.reject(new Error(text)),
    note(text) {
      whole.title = `${title} – ${text}`;
      if (whole.task) whole.task.title = whole.title;
    },
    async end() {
      for (const row of rows.values()) row.resolve();
      await running;
      stream.write("\n");
    },
  };
}

function openRow(title: string): Row {
  let resolve = (): void => undefined;
  let reject = (_error: Error): void => undefined;
  const done = new Promise<void>((accept, refuse) => {
    resolve = accept;
    reject = refuse;
  });
  done.catch(() => undefined);
  return { title, done, resolve, reject };
}
