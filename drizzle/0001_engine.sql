CREATE TABLE `batch_labels` (
	`owner` text NOT NULL,
	`label` text NOT NULL,
	`batch_id` text NOT NULL,
	PRIMARY KEY(`owner`, `label`, `batch_id`)
);
--> statement-breakpoint
CREATE INDEX `batch_labels_batch` ON `batch_labels` (`batch_id`);--> statement-breakpoint
DROP INDEX `batches_finished`;--> statement-breakpoint
ALTER TABLE `batches` ADD `stop_code` text;--> statement-breakpoint
ALTER TABLE `batches` ADD `paused_at` integer;--> statement-breakpoint
ALTER TABLE `batches` ADD `deadline_at` integer;--> statement-breakpoint
ALTER TABLE `batches` ADD `open_until` integer;--> statement-breakpoint
ALTER TABLE `batches` ADD `priority` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `batches` ADD `max_attempts` integer;--> statement-breakpoint
ALTER TABLE `batches` ADD `run_at` integer;--> statement-breakpoint
ALTER TABLE `batches` ADD `idempotency_key` text;--> statement-breakpoint
ALTER TABLE `batches` ADD `fingerprint` text;--> statement-breakpoint
ALTER TABLE `batches` ADD `deleted_at` integer;--> statement-breakpoint
CREATE INDEX `batches_owner_status` ON `batches` (`owner`,`status`,`id`);--> statement-breakpoint
CREATE INDEX `batches_owner_operation` ON `batches` (`owner`,`operation`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `batches_key` ON `batches` (`owner`,`idempotency_key`,`operation`) WHERE idempotency_key IS NOT NULL;--> statement-breakpoint
CREATE INDEX `batches_deadline` ON `batches` (`deadline_at`) WHERE deadline_at IS NOT NULL AND finished_at IS NULL;--> statement-breakpoint
CREATE INDEX `batches_open` ON `batches` (`open_until`) WHERE open_until IS NOT NULL;--> statement-breakpoint
CREATE INDEX `batches_stopped` ON `batches` (`id`) WHERE stop_code IS NOT NULL AND finished_at IS NULL;--> statement-breakpoint
CREATE INDEX `batches_deleted` ON `batches` (`id`) WHERE deleted_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `batches_finished` ON `batches` (`finished_at`) WHERE finished_at IS NOT NULL;--> statement-breakpoint
ALTER TABLE `events` ADD `superseded_at` integer;