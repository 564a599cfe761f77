CREATE TABLE `rag_chunks` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`document_id` text NOT NULL,
	`idx` integer NOT NULL,
	`text` text NOT NULL,
	`start` integer NOT NULL,
	`end` integer NOT NULL,
	`tokens` integer NOT NULL,
	`words` integer NOT NULL,
	`page` integer,
	`heading` text,
	`start_seconds` real,
	`end_seconds` real,
	`runs` text NOT NULL,
	`vectors` blob NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `rag_chunks_place` ON `rag_chunks` (`document_id`,`idx`);--> statement-breakpoint
CREATE TABLE `rag_collections` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`key` text NOT NULL,
	`owner` text NOT NULL,
	`name` text NOT NULL,
	`model` text NOT NULL,
	`dimensions` integer NOT NULL,
	`chunks` integer NOT NULL,
	`words` integer NOT NULL,
	`version` integer NOT NULL,
	`removals` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `rag_collections_name` ON `rag_collections` (`owner`,`name`);--> statement-breakpoint
CREATE TABLE `rag_documents` (
	`id` text PRIMARY KEY NOT NULL,
	`owner` text NOT NULL,
	`collection_id` integer NOT NULL,
	`batch_id` text NOT NULL,
	`source_key` text NOT NULL,
	`content_hash` text NOT NULL,
	`settings_hash` text NOT NULL,
	`title` text NOT NULL,
	`url` text,
	`language` text,
	`size` integer NOT NULL,
	`chunks` integer NOT NULL,
	`tokens` integer NOT NULL,
	`words` integer NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `rag_documents_source` ON `rag_documents` (`collection_id`,`source_key`);--> statement-breakpoint
CREATE INDEX `rag_documents_owner` ON `rag_documents` (`owner`,`collection_id`,`id`);--> statement-breakpoint
CREATE INDEX `rag_documents_batch` ON `rag_documents` (`batch_id`);--> statement-breakpoint
CREATE TABLE `rag_pages` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`collection_id` integer NOT NULL,
	`document_id` text NOT NULL,
	`count` integer NOT NULL,
	`data` blob NOT NULL
);
--> statement-breakpoint
CREATE INDEX `rag_pages_collection` ON `rag_pages` (`collection_id`,`id`);--> statement-breakpoint
CREATE INDEX `rag_pages_document` ON `rag_pages` (`document_id`);--> statement-breakpoint
ALTER TABLE `uploads` ADD `content_type` text;--> statement-breakpoint
CREATE VIRTUAL TABLE `rag_text` USING fts5(`tokens`, content='', contentless_delete=1, tokenize='ascii');
--> statement-breakpoint
CREATE VIRTUAL TABLE `rag_terms` USING fts5vocab('rag_text', 'row');
--> statement-breakpoint
CREATE VIRTUAL TABLE `rag_term_instances` USING fts5vocab('rag_text', 'instance');
