import { readAsset } from './assets.ts';

/** The version that package.json names. */
export const version: string = JSON.parse(readAsset('package.json').toString()).version;
