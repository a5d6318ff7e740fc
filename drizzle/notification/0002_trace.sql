-- The trace of the event that called for the mail, which goes on when it is sent.
alter table mail add column trace text;
