CREATE TABLE `rate_windows` (
	`started_at` integer NOT NULL,
	`class` text NOT NULL,
	`subject` text NOT NULL,
	`used` integer NOT NULL,
	`granted` integer NOT NULL,
	PRIMARY KEY(`started_at`, `class`, `subject`)
);
--> statement-breakpoint
ALTER TABLE `keys` ADD `replaced_by` text;