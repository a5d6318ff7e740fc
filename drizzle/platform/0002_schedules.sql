-- When each schedule of the module is to run next, so that of several workers one runs it, on the database's clock.
create table schedule (
  name text primary key,
  due_at timestamptz not null
);
