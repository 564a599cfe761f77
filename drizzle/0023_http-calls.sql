CREATE TABLE `http_slots` (
	`owner` text NOT NULL,
	`host` text NOT NULL,
	`next_at` real NOT NULL,
	PRIMARY KEY(`owner`, `host`)
);
--> statement-breakpoint
CREATE INDEX `http_slots_next` ON `http_slots` (`next_at`);