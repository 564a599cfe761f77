CREATE TABLE `rag_syncs` (
	`id` text PRIMARY KEY NOT NULL,
	`owner` text NOT NULL,
	`collection` text NOT NULL,
	`platform` text NOT NULL,
	`channel` text NOT NULL,
	`every_ms` integer NOT NULL,
	`on_gone` text NOT NULL,
	`input` text NOT NULL,
	`next_at` integer NOT NULL,
	`taken_until` integer,
	`created_at` integer NOT NULL,
	`last_run` text,
	`last_batch_id` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `rag_syncs_channel` ON `rag_syncs` (`owner`,`collection`,`channel`);--> statement-breakpoint
CREATE INDEX `rag_syncs_owner` ON `rag_syncs` (`owner`,`id`);--> statement-breakpoint
CREATE INDEX `rag_syncs_next` ON `rag_syncs` (`next_at`);--> statement-breakpoint
ALTER TABLE `rag_documents` ADD `channel` text;--> statement-breakpoint
ALTER TABLE `rag_documents` ADD `version` text;--> statement-breakpoint
CREATE INDEX `rag_documents_channel` ON `rag_documents` (`collection_id`,`channel`) WHERE channel IS NOT NULL;