-- Who may sign in. A row stays after erasure, so that orders keep pointing at something; it names nobody.
create table account (
  id uuid primary key,
  role text not null default 'customer' check (role in ('customer', 'staff', 'admin')),
  version bigint not null default 1,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  erased_at timestamptz(3),
  check (erased_at is null or role = 'customer')
);
create index account_role on account (role, id) where erased_at is null;

-- All personal data of an account. Erasure deletes the row. E-mail addresses are stored normalised, and
-- username_key is the username as it counts for uniqueness, so that no collation decides who is who.
create table person (
  account_id uuid primary key references account (id),
  email text not null,
  username text not null,
  username_key text not null,
  password_hash text not null,
  constraint person_email unique (email),
  constraint person_username unique (username_key)
);

-- One sign-in: the family of refresh tokens that follow from it. client_tag is a hash of the address it came
-- from, by which a later sign-in from there is told from a stranger's.
create table session (
  id uuid primary key,
  account_id uuid not null references account (id),
  client_tag text not null,
  created_at timestamptz(3) not null default now(),
  expires_at timestamptz(3) not null,
  ended_at timestamptz(3)
);
create index session_account on session (account_id);
create index session_expires on session (expires_at);

-- Refresh tokens by their SHA-256. A spent one stays until it would have expired: shown again, it gives away a
-- theft and ends its session.
create table refresh_token (
  hash text primary key,
  session_id uuid not null references session (id) on delete cascade,
  expires_at timestamptz(3) not null,
  spent_at timestamptz(3)
);
create index refresh_token_session on refresh_token (session_id);
create index refresh_token_expires on refresh_token (expires_at);

-- Key pairs of access tokens. The newest one whose signs_from has come signs; older ones only verify.
create table signing_key (
  kid text primary key,
  rotation_id uuid not null constraint signing_key_rotation unique,
  public_jwk jsonb not null,
  private_jwk jsonb not null,
  created_at timestamptz(3) not null default now(),
  signs_from timestamptz(3) not null
);
