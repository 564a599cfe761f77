ALTER TABLE `documents` ADD `batch_id` text DEFAULT '' NOT NULL;--> statement-breakpoint
CREATE INDEX `documents_batch` ON `documents` (`batch_id`);