CREATE ROLE notes LOGIN PASSWORD 'notes';
CREATE DATABASE notes OWNER notes;
\connect notes
SET ROLE notes;
CREATE TABLE note (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  written timestamptz NOT NULL DEFAULT now(),
  text    text NOT NULL CHECK (length(text) BETWEEN 1 AND 500)
);
CREATE TABLE secret (text text NOT NULL);
INSERT INTO note (text) VALUES
  ('Welcome. Everything you write here stays on your own machines.'),
  ('The search box knows only these notes. Or so its author believed.');
