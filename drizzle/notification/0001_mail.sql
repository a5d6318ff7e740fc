-- One row per event that deserves a mail, under the event's id: so an event has one mail, whatever is delivered
-- twice. No address and no text: both are looked up when the mail is sent. A row that is being sent is leased by
-- its due_at; the fence refuses the late word of whoever held it before.
create table mail (
  id uuid primary key,
  user_id uuid not null,
  kind text not null check (kind in ('order_paid', 'order_shipped', 'order_refunded', 'password_changed')),
  data jsonb not null,
  state text not null default 'queued' check (state in ('queued', 'sent', 'failed', 'dropped')),
  attempts integer not null default 0,
  fence integer not null default 0,
  due_at timestamptz not null default now(),
  last_error text,
  created_at timestamptz(3) not null default now(),
  ended_at timestamptz(3),
  check ((state = 'queued') = (ended_at is null))
);
create index mail_due on mail (due_at) where state = 'queued';
create index mail_queued_user on mail (user_id) where state = 'queued';
create index mail_ended on mail (ended_at) where state <> 'queued';
