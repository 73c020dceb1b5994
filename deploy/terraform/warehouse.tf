# The dataset, and the tables of sources and of their quarantines.
#
# Terraform makes the tables and owns what can't be changed later (partitions, clusters, the filter that large tables
# ask for) and their protection; the platform owns the columns. A release that brings a column adds it with the first
# batch that has it, and must not wait for an apply, nor may an apply with an older file take it away: so `schema` is
# ignored once a table is there. `platform__ledger` and the marts are the platform's and dbt's own.
resource "google_bigquery_dataset" "warehouse" {
  project                    = var.project
  dataset_id                 = replace(var.name, "-", "_")
  location                   = var.bigquery_location
  description                = "Every revision of every row; written by the platform."
  labels                     = local.labels
  delete_contents_on_destroy = !var.deletion_protection
  max_time_travel_hours      = "168" # what a replay did can be looked back at, and undone, for a week
  depends_on                 = [google_project_service.api]
}

resource "google_bigquery_table" "source" {
  for_each = local.catalogue.tables

  project                  = var.project
  dataset_id               = google_bigquery_dataset.warehouse.dataset_id
  table_id                 = each.key
  description              = each.value.description
  labels                   = each.value.labels
  schema                   = jsonencode(each.value.schema.fields)
  clustering               = each.value.clustering.fields
  require_partition_filter = each.value.requirePartitionFilter
  deletion_protection      = var.deletion_protection

  time_partitioning {
    type  = each.value.timePartitioning.type
    field = each.value.timePartitioning.field
  }

  lifecycle {
    ignore_changes = [schema]
  }
}

# What the signals of landed messages leave behind: when which offsets landed, for queries and audits. Pub/Sub writes
# it; see pubsub.tf.
resource "google_bigquery_table" "landed" {
  project             = var.project
  dataset_id          = google_bigquery_dataset.warehouse.dataset_id
  table_id            = "platform__landed"
  description         = "When which landing offsets of which source landed; a signal may be there twice."
  labels              = local.labels
  clustering          = ["source"]
  deletion_protection = false # it is a copy

  schema = jsonencode([
    { name = "source", type = "STRING", mode = "REQUIRED", description = "The market source" },
    { name = "start", type = "INT64", mode = "REQUIRED", description = "First landing offset" },
    { name = "stop", type = "INT64", mode = "REQUIRED", description = "Offset behind the last one" },
    { name = "subscription_name", type = "STRING", mode = "NULLABLE", description = "Pub/Sub's" },
    { name = "message_id", type = "STRING", mode = "NULLABLE", description = "Pub/Sub's; tells one signal from another" },
    { name = "publish_time", type = "TIMESTAMP", mode = "NULLABLE", description = "When Pub/Sub took the signal" },
    { name = "attributes", type = "JSON", mode = "NULLABLE", description = "Pub/Sub's" },
  ])

  time_partitioning {
    type          = "DAY"
    field         = "publish_time"
    expiration_ms = 90 * 86400000
  }
}
