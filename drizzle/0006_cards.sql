CREATE TABLE `card_accounts` (
	`owner` text PRIMARY KEY NOT NULL,
	`cards` integer NOT NULL,
	`balance` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `card_slices` (
	`batch_id` text NOT NULL,
	`sequence` integer NOT NULL,
	`counts` text NOT NULL,
	`errors` text NOT NULL,
	PRIMARY KEY(`batch_id`, `sequence`)
);
--> statement-breakpoint
CREATE TABLE `cards` (
	`owner` text NOT NULL,
	`id` text NOT NULL,
	`hash` text NOT NULL,
	`title` text NOT NULL,
	`body` text NOT NULL,
	`category` text NOT NULL,
	`privacy_level` text NOT NULL,
	`tags` text NOT NULL,
	`source_platform` text,
	`source_url` text,
	`metadata` text NOT NULL,
	`slug` text,
	`published_at` integer,
	`deleted_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	PRIMARY KEY(`owner`, `id`)
);
--> statement-breakpoint
CREATE INDEX `cards_hash` ON `cards` (`owner`,`hash`);--> statement-breakpoint
CREATE UNIQUE INDEX `cards_slug` ON `cards` (`slug`) WHERE slug IS NOT NULL;--> statement-breakpoint
CREATE TABLE `token_ledger` (
	`id` integer PRIMARY KEY NOT NULL,
	`owner` text NOT NULL,
	`card_id` text NOT NULL,
	`batch_id` text NOT NULL,
	`sequence` integer NOT NULL,
	`amount` integer NOT NULL,
	`reason` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `token_ledger_card` ON `token_ledger` (`card_id`);--> statement-breakpoint
CREATE INDEX `token_ledger_owner` ON `token_ledger` (`owner`,`id`);