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

/** What stands between a consumer and an event; it may take its time, or reject as a handler does. */
type Obstacle = (consumer: string, event: { readonly id: string; readonly at: string }) => Promise<void>;

let obstacle: Obstacle | undefined;

/** Does nothing, unless the fault suite has put something in the way of this process's consumers. */
export async function meetObstacle(...meeting: Parameters<Obstacle>): Promise<void> {
  await obstacle?.(...meeting);
}

export function armObstacle(meet: Obstacle): void {
  obstacle = meet;
}
