PRAGMA foreign_keys=OFF;--> statement-breakpoint
CREATE TABLE `__new_events` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`batch_id` text NOT NULL,
	`seq` integer NOT NULL,
	`type` text NOT NULL,
	`job_id` text,
	`job_sequence` integer,
	`at` integer NOT NULL,
	`data` text NOT NULL,
	`superseded_at` integer
);
--> statement-breakpoint
INSERT INTO `__new_events`("batch_id", "seq", "type", "job_id", "job_sequence", "at", "data", "superseded_at") SELECT "batch_id", "seq", "type", "job_id", "job_sequence", "at", "data", "superseded_at" FROM `events` ORDER BY rowid;--> statement-breakpoint
DROP TABLE `events`;--> statement-breakpoint
ALTER TABLE `__new_events` RENAME TO `events`;--> statement-breakpoint
PRAGMA foreign_keys=ON;--> statement-breakpoint
CREATE UNIQUE INDEX `events_batch_seq` ON `events` (`batch_id`,`seq`);