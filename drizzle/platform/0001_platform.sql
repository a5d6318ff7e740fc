-- The platform's tables, applied in each module's own schema (the search path points at it).

-- Events as they were committed. `stream` and `version` give their order within one aggregate.
create table outbox (
  id uuid primary key,
  type text not null,
  stream text not null,
  version bigint not null,
  data jsonb not null,
  trace text,
  at timestamptz(3) not null default now()
);
create index outbox_at on outbox (at);

-- One row per event and consumer: the truth of what still has to be handled. A leased row whose due_at has
-- passed may be claimed again; the fence refuses the late word of whoever held it before.
create table delivery (
  event_id uuid not null,
  consumer text not null,
  stream text not null,
  version bigint not null,
  state text not null default 'pending' check (state in ('pending', 'leased', 'done', 'parked', 'skipped')),
  attempts integer not null default 0,
  fence integer not null default 0,
  due_at timestamptz not null default now(),
  last_error text,
  primary key (event_id, consumer)
);
create index delivery_due on delivery (consumer, due_at) where state in ('pending', 'leased');
create index delivery_open on delivery (consumer, stream, version) where state in ('pending', 'leased', 'parked');

-- Events this module has handled. The row and the effect share a transaction.
create table inbox (
  event_id uuid primary key,
  type text not null,
  stream text not null,
  version bigint not null,
  position bigint generated always as identity,
  at timestamptz(3) not null default now()
);
create index inbox_stream on inbox (stream, position);
create index inbox_at on inbox (at);

-- Answers kept for clients that ask again. No status yet: claimed by work that is still to end. The body is the
-- JSON text itself, since jsonb would reorder its members and a repeat gets the same bytes.
create table idempotency (
  user_id uuid not null,
  route text not null,
  key text not null,
  fingerprint text not null,
  resource_id uuid,
  status integer,
  headers jsonb,
  version bigint,
  body text,
  created_at timestamptz(3) not null default now(),
  primary key (user_id, route, key)
);
create index idempotency_created on idempotency (created_at);

-- Journals of work that spans modules. One open saga per subject, so that two can not undo each other.
create table saga (
  id uuid primary key,
  name text not null,
  subject uuid not null,
  data jsonb not null,
  state text not null default 'running' check (state in ('running', 'compensating', 'done')),
  step integer not null default 0,
  outcome text check (outcome in ('completed', 'compensated')),
  reason jsonb,
  trace text,
  attempts integer not null default 0,
  fence integer not null default 1,
  -- True while a step waits for an answer that comes by itself; `wakes` counts such answers, so that one which
  -- comes while the driver is still writing "waiting" is not missed.
  waiting boolean not null default false,
  wakes integer not null default 0,
  due_at timestamptz not null,
  deadline_at timestamptz not null,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  check ((state = 'done') = (outcome is not null))
);
create unique index saga_open_subject on saga (subject) where state <> 'done';
create index saga_due on saga (due_at) where state <> 'done';
create index saga_updated on saga (updated_at) where state = 'done';

-- Background work that a person started and may watch.
create table job (
  id uuid primary key,
  kind text not null,
  input jsonb not null,
  state text not null default 'queued' check (state in ('queued', 'running', 'done', 'failed')),
  done integer not null default 0,
  total integer not null default 0,
  errors jsonb not null default '[]',
  attempts integer not null default 0,
  fence integer not null default 0,
  due_at timestamptz not null default now(),
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now()
);
create index job_due on job (due_at) where state in ('queued', 'running');

-- Keys made for this installation, so that an embedded shop needs no configuration. Two random UUIDs hold 244
-- random bits.
create table secret (
  name text primary key,
  value text not null default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')
);
insert into secret (name) values ('cursor');
