import { Listr, ListrLogger, type ListrTask, ProcessOutput } from "listr2";
import type { Display, ProgressOptions } from "./progress.js";

/** The spinner redraws ten times a second; titles need not change more often. */
const REDRAW = 100;

interface Row {
  /** The listr2 task, once it runs. */
  task?: { title: string };
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
  const running = listOf(whole, [...rows.values()], stream).run();
  const drawn = new Map<string, number>();
  const retitle = (row: Row | undefined, text: string): Row | undefined => {
    if (row) row.title = text;
    if (row?.task) row.task.title = text;
    return row;
  };
  return {
    update(name, text) {
      const now = options.clock();
      if (now - (drawn.get(name) ?? 0) < REDRAW) return;
      drawn.set(name, now);
      retitle(rows.get(name), text());
    },
    finish: (name, text) => retitle(rows.get(name), text)?.resolve(),
    fail: (name, text) => retitle(rows.get(name), text)?.reject(new Error(text)),
    note: (text) => void retitle(whole, `${title} – ${text}`),
    async end() {
      for (const row of rows.values()) row.resolve();
      await running;
      stream.write("\n");
    },
  };
}

function listOf(whole: Row, rows: readonly Row[], stream: NodeJS.WriteStream): { run(): Promise<unknown> } {
  const processOutput = new ProcessOutput(stream, stream, { leaveEmptyLine: false });
  const task: ListrTask = {
    title: whole.title,
    task: (_context, own) => {
      whole.task = own;
      return own.newListr(rows.map(taskOf), { concurrent: true, exitOnError: false });
    },
  };
  return new Listr([task], {
    exitOnError: false,
    registerSignalListeners: false,
    renderer: "default",
    fallbackRendererCondition: false,
    rendererOptions: {
      logger: new ListrLogger({ useIcons: true, processOutput }),
      collapseSubtasks: false,
      collapseErrors: false,
      showErrorMessage: false,
      formatOutput: "truncate",
    },
  });
}

const taskOf = (row: Row): ListrTask => ({
  title: row.title,
  task: (_context, own) => {
    row.task = own;
    own.title = row.title;
    return row.done;
  },
});

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
