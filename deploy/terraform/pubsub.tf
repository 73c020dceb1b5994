# The live bus, a topic per source, and the signal of what has landed. Names and retention are those of the platform
# (docs/live_bus.md); it creates no topic here, since it isn't allowed to.
locals {
  landed_topic = "${var.name}-landed"
  live_topics  = { for source in local.catalogue.sources : source => "${var.name}-${source}" }
  pubsub_agent = "service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

# Followers resume within this time without reading stores.
resource "google_pubsub_topic" "live" {
  for_each = local.live_topics

  project                    = var.project
  name                       = each.value
  labels                     = local.labels
  message_retention_duration = "7200s"

  # Publishers and followers use one region, since order holds within a region.
  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.api]
}

resource "google_pubsub_schema" "landed" {
  project    = var.project
  name       = local.landed_topic
  type       = "AVRO"
  definition = file("${path.module}/schemas/landed.avsc")
  depends_on = [google_project_service.api]
}

resource "google_pubsub_topic" "landed" {
  project                    = var.project
  name                       = local.landed_topic
  labels                     = local.labels
  message_retention_duration = "7200s"

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  schema_settings {
    schema   = google_pubsub_schema.landed.id
    encoding = "JSON"
  }
}

resource "google_pubsub_topic" "landed_dead" {
  project                    = var.project
  name                       = "${local.landed_topic}-dead"
  labels                     = local.labels
  message_retention_duration = "604800s"

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.api]
}

# Without a subscription a dead letter would be gone at once.
resource "google_pubsub_subscription" "landed_dead" {
  project                    = var.project
  name                       = "${local.landed_topic}-dead"
  topic                      = google_pubsub_topic.landed_dead.id
  labels                     = local.labels
  message_retention_duration = "604800s"
  retain_acked_messages      = false

  expiration_policy {
    ttl = "" # never: nobody may look for months
  }
}

# The hot lane's: a signal wakes it. One that is lost delays and loses nothing. Without order, since a signal that can't
# be read must not hold up those after it.
resource "google_pubsub_subscription" "landed" {
  project                    = var.project
  name                       = "${local.landed_topic}-hot-lane"
  topic                      = google_pubsub_topic.landed.id
  labels                     = local.labels
  ack_deadline_seconds       = 60
  message_retention_duration = "7200s"

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "60s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.landed_dead.id
    max_delivery_attempts = 5
  }
}

resource "google_pubsub_subscription" "landed_table" {
  project = var.project
  name    = "${local.landed_topic}-table"
  topic   = google_pubsub_topic.landed.id
  labels  = local.labels

  bigquery_config {
    table                 = "${var.project}.${google_bigquery_table.landed.dataset_id}.${google_bigquery_table.landed.table_id}"
    use_topic_schema      = true
    write_metadata        = true
    drop_unknown_fields   = true # a field that a later release adds must not stop the rest
    service_account_email = google_service_account.process["pubsub"].email
  }

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.landed_dead.id
    max_delivery_attempts = 20
  }

  depends_on = [google_bigquery_dataset_iam_member.process, google_service_account_iam_member.pubsub_agent]
}

# Dead letters are moved by Pub/Sub's own account.
resource "google_pubsub_topic_iam_member" "dead_letters" {
  project = var.project
  topic   = google_pubsub_topic.landed_dead.name
  role    = "roles/pubsub.publisher"
  member  = "serviceAccount:${local.pubsub_agent}"
}

resource "google_pubsub_subscription_iam_member" "dead_letters" {
  for_each = {
    hot-lane = google_pubsub_subscription.landed.name
    table    = google_pubsub_subscription.landed_table.name
  }

  project      = var.project
  subscription = each.value
  role         = "roles/pubsub.subscriber"
  member       = "serviceAccount:${local.pubsub_agent}"
}

resource "google_service_account_iam_member" "pubsub_agent" {
  service_account_id = google_service_account.process["pubsub"].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "serviceAccount:${local.pubsub_agent}"
}
