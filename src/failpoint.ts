/** Places where the fault suite ends a process, to see that what was under way is taken up by others. */
export type Failpoint = 'before-commit' | 'after-commit' | 'after-enqueue' | 'after-charge';

let armed: ((point: Failpoint) => void) | undefined;

/** Does nothing, unless the fault suite has loaded itself into this process before it started. */
export function failpoint(point: Failpoint): void {
  armed?.(point);
}

export function armFailpoints(strike: (point: Failpoint) => void): void {
  armed = strike;
}
