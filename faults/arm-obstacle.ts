import { sleep } from '../src/deadline.ts';
import { armObstacle } from '../src/failpoint.ts';
import { isPoison, readObstacle } from './obstacle.ts';

/** Loaded into a process of the shop before it starts; see `obstacleSettings`. */
const { OBSTACLE_FILE: file } = process.env;

armObstacle(async (consumer, event) => {
  const obstacle = file === undefined ? undefined : readObstacle(file);
  if (obstacle?.consumer !== consumer) return;
  if (isPoison(event, obstacle)) throw new Error('the fault suite poisoned this event');
  await sleep(obstacle.handlingMs);
});
