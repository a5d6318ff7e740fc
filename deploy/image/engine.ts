import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printError } from '../../src/commands/terminal.ts';
import { sleep } from '../../src/deadline.ts';
import type { Base } from './base.ts';
import { type Ended, run, tryRun } from './run.ts';

const REMOVE_ATTEMPTS = 20;
const REMOVE_EVERY_MS = 500;

/** Podman with images and volumes of its own, which end with it. */
export interface Engine {
  /** Rejects as podman fails, as all of these do. */
  importBase(base: Base, name: string): Promise<void>;
  /** Runs every instruction of the Dockerfile, and takes no step from an earlier time. Pulls nothing. */
  build(options: { dockerfile: string; context: string; name: string }): Promise<void>;
  /** What the image says of itself. */
  inspect(name: string): Promise<ImageDescription>;
  /** The folder of this machine where the image's files can be read. */
  mount(name: string): Promise<string>;
  /** Starts a container as docker-compose.yml does: root is read-only, and nothing can be gained. */
  start(options: StartOptions): Promise<Container>;
  close(): Promise<void>;
}

export interface ImageDescription {
  readonly sizeBytes: number;
  readonly user: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface StartOptions {
  readonly image: string;
  /** Instead of the image's own. */
  readonly entrypoint?: string;
  readonly command?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The name of the volume for /data. */
  readonly data: string;
}

export interface Container {
  /** Runs a program in it, as its user. */
  exec(...command: string[]): Promise<Ended>;
  /** The exit code of the image's HEALTHCHECK. */
  checkHealth(): Promise<number>;
  signal(name: 'SIGTERM'): Promise<void>;
  /** Resolves with the exit code when it has ended by itself; undefined when it has not after so long. */
  ended(withinMs: number): Promise<number | undefined>;
  logs(): Promise<string>;
}

/** Needs root and Debian's packages podman and runc. No daemon is started. */
export function createEngine(): Engine {
  const folder = mkdtempSync(join(tmpdir(), 'banyan-image-'));
  // Without systemd there are no cgroups but those of the machine, and no timers: the health is asked for by hand.
  const globals = ['--root', join(folder, 'store'), '--runroot', join(folder, 'run')];
  globals.push('--tmpdir', join(folder, 'tmp'), '--runtime=runc', '--cgroup-manager=cgroupfs');
  const podman = (...args: string[]) => run('podman', [...globals, ...args]);
  const tryPodman = (...args: string[]) => tryRun('podman', [...globals, ...args]);

  async function inspect(name: string): Promise<ImageDescription> {
    const { out } = await podman('image', 'inspect', name);
    const [image] = JSON.parse(out);
    const { User: user, Labels: labels } = image.Config;
    return { sizeBytes: image.Size, user, labels };
  }

  return {
    inspect,
    async importBase({ tarball, changes }, name) {
      await podman('import', ...changes.flatMap((change) => ['--change', change]), tarball, name);
    },
    async build({ dockerfile, context, name }) {
      const npm = await npmSettings(join(folder, 'npm'));
      await podman(
        'build',
        '--pull=never',
        '--no-cache',
        // One layer for each stage: what comes out is the same, and 0.6 GB are not packed for nobody.
        '--layers=false',
        // Only images in Docker's format have a HEALTHCHECK.
        '--format=docker',
        // A chroot, so that it also works inside a container.
        '--isolation=chroot',
        '--network=host',
        ...(npm === undefined ? [] : ['--volume', `${npm}:/usr/local/etc:ro`]),
        '--file',
        dockerfile,
        '--tag',
        name,
        context,
      );
    },
    async mount(name) {
      return (await podman('image', 'mount', name)).out.trim();
    },
    async start({ image, entrypoint, command = [], env, data }) {
      const { out } = await podman(
        'run',
        '--detach',
        '--pull=never',
        '--read-only',
        '--read-only-tmpfs=false',
        '--tmpfs=/tmp',
        '--cap-drop=all',
        '--security-opt=no-new-privileges',
        '--network=host',
        // Podman would raise them, which a container may not.
        '--ulimit=nofile=1024:1024',
        '--ulimit=nproc=1000:1000',
        `--volume=${data}:/data`,
        ...(entrypoint === undefined ? [] : [`--entrypoint=${entrypoint}`]),
        ...Object.entries(env).map(([name, value]) => `--env=${name}=${value}`),
        image,
        ...command,
      );
      return containerOf(out.trim(), tryPodman);
    },
    async close() {
      await tryPodman('rm', '--force', '--all', '--volumes', '--time=0');
      await tryPodman('image', 'umount', '--all');
      // Overlays are mounted below a mount of the store on itself.
      await tryRun('umount', ['--recursive', join(folder, 'store/overlay')]);
      await removeFolder(folder);
    },
  };
}

/** A mount that was let go may be busy for a moment longer. What still stays then says nothing of the image. */
async function removeFolder(folder: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      rmSync(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if (attempt === REMOVE_ATTEMPTS) {
        printError(`${folder} could not be removed: ${String(error)}`);
        return;
      }
      await tryRun('umount', ['--recursive', '--lazy', join(folder, 'store/overlay')]);
      await sleep(REMOVE_EVERY_MS);
    }
  }
}

function containerOf(id: string, podman: (...args: string[]) => Promise<Ended>): Container {
  return {
    exec: (...command) => podman('exec', id, ...command),
    checkHealth: async () => (await podman('healthcheck', 'run', id)).code,
    async signal(name) {
      await podman('kill', '--signal', name, id);
    },
    async ended(withinMs) {
      const waited = podman('wait', '--condition=stopped', id);
      const { promise: late, resolve } = Promise.withResolvers<undefined>();
      const timer = setTimeout(() => resolve(undefined), withinMs);
      const ended = await Promise.race([waited, late]);
      clearTimeout(timer);
      return ended === undefined ? undefined : Number(ended.out.trim());
    },
    async logs() {
      const { out, err } = await podman('logs', id);
      return out + err;
    },
  };
}

/**
 * A folder for /usr/local/etc, from where npm reads its settings: this machine's registry and the authorities that it
 * trusts, where they are not npm's own. They are mounted, and so get into no image.
 */
async function npmSettings(folder: string): Promise<string | undefined> {
  const settingOf = async (name: string) => (await run('npm', ['config', 'get', name])).out.trim();
  const registry = await settingOf('registry');
  const named = await settingOf('cafile');
  const authorities = named === 'null' ? process.env.NODE_EXTRA_CA_CERTS : named;
  if (registry === 'https://registry.npmjs.org/' && authorities === undefined) return undefined;
  mkdirSync(folder, { recursive: true });
  const lines = [`registry=${registry}`];
  if (authorities !== undefined) {
    copyFileSync(authorities, join(folder, 'ca.crt'));
    lines.push('cafile=/usr/local/etc/ca.crt');
  }
  writeFileSync(join(folder, 'npmrc'), `${lines.join('\n')}\n`);
  return folder;
}
