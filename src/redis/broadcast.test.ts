import { pino } from 'pino';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { createBroadcast } from './broadcast.ts';

it('tells the subscribers of its topic in this very process before it returns', () => {
  const broadcast = createBroadcast(undefined, 'test', pino({ level: 'silent' }));
  const heard: string[] = [];
  const subscribe = (topic: string, name: string) =>
    broadcast.subscribe(topic, {
      schema: z.string(),
      onMessage: (message) => void heard.push(`${name} ${message}`),
      onGap: () => void heard.push('gap'),
    });
  subscribe('weather', 'first');
  subscribe('weather', 'second');
  subscribe('news', 'third');
  broadcast.publish('weather', 'rain');
  expect(heard).toEqual(['first rain', 'second rain']);
});
