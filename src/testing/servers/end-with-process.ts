const endings = new Set<() => void>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
let installed = false;

/**
 * Calls `end`, which must be synchronous, when this process ends by itself, by `process.exit` or by a signal it can
 * see. Returns a function that takes it back.
 */
export function endWithProcess(end: () => void): () => void {
  install();
  endings.add(end);
  return () => endings.delete(end);
}

function install(): void {
  if (installed) return;
  installed = true;
  process.on('exit', endAll);
  for (const signal of signals) {
    const onSignal = () => {
      endAll();
      // A listener keeps the signal from ending the process. Where ours is the only one, nobody else will end it.
      process.off(signal, onSignal);
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    };
    process.on(signal, onSignal);
  }
}

function endAll(): void {
  // The last one first: it may still use, or write into, what was there before it.
  for (const end of [...endings].reverse()) {
    try {
      end();
    } catch {
      // The others must end too, and nobody is left to be told.
    }
  }
  endings.clear();
}
