# A service account for each kind of process, and for each of its roles the reason. Roles are on the one bucket,
# dataset, topic or pool where there is such a role; on the project are only those that BigQuery and Monitoring know
# there alone. Nobody has a key: Google's own machinery says who a process is.
locals {
  accounts = {
    collector = "Asks providers and lands what they answer"
    worker    = "Runs micro-batches: landed messages into tables"
    hot-lane  = "Keeps InfluxDB and the live bus up to the second"
    control   = "Dagster's daemon and code server: starts runs"
    ui        = "The guarded Dagster UI, for operators"
    dashboard = "The traders' screens, and the API behind them"
    metrics   = "Tells Cloud Monitoring how the sources are doing"
    scaler    = "Sets how many workers and collectors there are"
    replay    = "Parses and checks months of messages again"
    stores    = "The machine with InfluxDB and Grafana"
    scheduler = "Starts jobs at their times"
    pubsub    = "Writes the signals of landed messages into a table"
  }

  # What each may do with a bucket. `under` narrows it down to the objects below a folder.
  bucket_grants = {
    collector_lands  = { who = "collector", bucket = "landing", role = "roles/storage.objectUser", under = null, why = "appends segments, merges small ones, deletes their parts" }
    collector_leases = { who = "collector", bucket = "leases", role = "roles/storage.objectUser", under = null, why = "takes, renews and gives back the leases of sources" }
    worker_reads     = { who = "worker", bucket = "landing", role = "roles/storage.objectViewer", under = null, why = "reads what has landed" }
    worker_notes     = { who = "worker", bucket = "landing", role = "roles/storage.objectUser", under = "landing/_notes/", why = "keeps the accepted layouts beside the logs" }
    worker_backfills = { who = "worker", bucket = "landing", role = "roles/storage.objectCreator", under = null, why = "backfills land what they are answered" }
    worker_leases    = { who = "worker", bucket = "leases", role = "roles/storage.objectUser", under = null, why = "sources of a large group are split over workers by leases" }
    worker_stages    = { who = "worker", bucket = "landing", role = "roles/storage.objectUser", under = "landing/_replay/", why = "plans replays, merges what is staged, and deletes it" }
    hot_lane_reads   = { who = "hot-lane", bucket = "landing", role = "roles/storage.objectViewer", under = null, why = "reads what has landed" }
    control_reads    = { who = "control", bucket = "landing", role = "roles/storage.objectViewer", under = null, why = "sensors look where each log ends" }
    ui_reads         = { who = "ui", bucket = "landing", role = "roles/storage.objectViewer", under = null, why = "its code server has sensors and asset checks too" }
    dashboard_reads  = { who = "dashboard", bucket = "landing", role = "roles/storage.objectViewer", under = null, why = "followers who missed rows get them from what has landed" }
    metrics_reads    = { who = "metrics", bucket = "landing", role = "roles/storage.objectViewer", under = null, why = "the backlog is where a log ends, less what is stored" }
    scaler_reads     = { who = "scaler", bucket = "landing", role = "roles/storage.objectViewer", under = null, why = "the backlog is where a log ends, less what is stored" }
    replay_reads     = { who = "replay", bucket = "landing", role = "roles/storage.objectViewer", under = null, why = "reads what has landed" }
    replay_stages    = { who = "replay", bucket = "landing", role = "roles/storage.objectUser", under = "landing/_replay/", why = "writes staged files, and writes one over when a task runs again" }
    stores_backs_up  = { who = "stores", bucket = "backups", role = "roles/storage.objectCreator", under = null, why = "adds a backup of InfluxDB each night; it can neither read nor change older ones" }
  }

  # What each may do with the dataset.
  dataset_grants = {
    worker    = { role = "roles/bigquery.dataEditor", why = "writes rows, adds columns, makes marts" }
    hot-lane  = { role = "roles/bigquery.dataViewer", why = "catches up from the tables after it was away" }
    control   = { role = "roles/bigquery.dataViewer", why = "sensors compare a log's end with what its table has" }
    ui        = { role = "roles/bigquery.dataViewer", why = "its pages show tables" }
    dashboard = { role = "roles/bigquery.dataViewer", why = "its pages show tables" }
    metrics   = { role = "roles/bigquery.dataViewer", why = "rows, newest times and backlogs of tables" }
    scaler    = { role = "roles/bigquery.dataViewer", why = "the backlog is where a log ends, less what is stored" }
    pubsub    = { role = "roles/bigquery.dataEditor", why = "Pub/Sub writes the signals, and reads the table's columns" }
  }

  project_grants = merge(
    {
      for who in ["worker", "hot-lane", "control", "ui", "dashboard", "metrics", "scaler"] :
      "${who}_asks" => { who = who, role = "roles/bigquery.jobUser", why = "a query is a job of the project; it reads only what the dataset's role allows" }
    },
    {
      for who in ["worker", "hot-lane", "control", "ui", "dashboard", "metrics", "scaler"] :
      "${who}_reads" => { who = who, role = "roles/bigquery.readSessionUser", why = "answers are read by the Storage Read API" }
    },
    {
      metrics_writes = { who = "metrics", role = "roles/monitoring.metricWriter", why = "hands the platform's metrics to Cloud Monitoring" }
      stores_logs    = { who = "stores", role = "roles/logging.logWriter", why = "the logs of its containers" }
      stores_metrics = { who = "stores", role = "roles/monitoring.metricWriter", why = "the machine's memory and disk" }
    },
  )

  # Who publishes what, and who follows it.
  publishers = { for source in local.catalogue.sources : source => google_pubsub_topic.live[source].name }
  followers = merge([
    for who in ["ui", "dashboard"] : {
      for source in local.catalogue.sources : "${source} by ${who}" => { who = who, topic = google_pubsub_topic.live[source].name }
    }
  ]...)
}

resource "google_service_account" "process" {
  for_each = local.accounts

  project      = var.project
  account_id   = "${var.name}-${each.key}"
  display_name = "${var.name}: ${each.key}"
  description  = each.value
  depends_on   = [google_project_service.api]
}

resource "google_storage_bucket_iam_member" "process" {
  for_each = local.bucket_grants

  bucket = local.buckets[each.value.bucket]
  role   = each.value.role
  member = google_service_account.process[each.value.who].member

  dynamic "condition" {
    for_each = each.value.under == null ? [] : [each.value.under]
    content {
      title       = "below ${condition.value}"
      description = each.value.why
      expression  = "resource.name.startsWith(\"projects/_/buckets/${local.buckets[each.value.bucket]}/objects/${condition.value}\")"
    }
  }
}

locals {
  buckets = {
    landing = google_storage_bucket.landing.name
    leases  = google_storage_bucket.leases.name
    backups = google_storage_bucket.backups.name
  }
}

resource "google_bigquery_dataset_iam_member" "process" {
  for_each = local.dataset_grants

  project    = var.project
  dataset_id = google_bigquery_dataset.warehouse.dataset_id
  role       = each.value.role
  member     = google_service_account.process[each.key].member
}

resource "google_project_iam_member" "process" {
  for_each = local.project_grants

  project = var.project
  role    = each.value.role
  member  = google_service_account.process[each.value.who].member
}

# The hot lane publishes rows; collectors say what has landed. Neither may make or change a topic.
resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = local.publishers

  project = var.project
  topic   = each.value
  role    = "roles/pubsub.publisher"
  member  = google_service_account.process["hot-lane"].member
}

resource "google_pubsub_topic_iam_member" "landed" {
  for_each = toset(["collector", "worker"]) # a backfill lands on a worker

  project = var.project
  topic   = google_pubsub_topic.landed.name
  role    = "roles/pubsub.publisher"
  member  = google_service_account.process[each.key].member
}

resource "google_pubsub_subscription_iam_member" "landed" {
  project      = var.project
  subscription = google_pubsub_subscription.landed.name
  role         = "roles/pubsub.subscriber"
  member       = google_service_account.process["hot-lane"].member
}

resource "google_pubsub_topic_iam_member" "follower" {
  for_each = local.followers

  project = var.project
  topic   = each.value.topic
  role    = "roles/pubsub.subscriber"
  member  = google_service_account.process[each.value.who].member
}

# A follower has subscriptions of its own, which it makes and deletes; `roles/pubsub.editor` would allow topics too.
resource "google_project_iam_custom_role" "follower" {
  project     = var.project
  role_id     = "${replace(var.name, "-", "_")}_follower"
  title       = "${var.name}: follows the live bus"
  description = "Makes, reads and deletes subscriptions of its own."
  permissions = [
    "pubsub.subscriptions.consume",
    "pubsub.subscriptions.create",
    "pubsub.subscriptions.delete",
    "pubsub.subscriptions.get",
  ]
}

resource "google_project_iam_member" "follower" {
  for_each = toset(["ui", "dashboard"])

  project = var.project
  role    = google_project_iam_custom_role.follower.name
  member  = google_service_account.process[each.key].member
}

# The scaler reads and sets the count of two pools, and nothing else of them by this role.
resource "google_project_iam_custom_role" "scaler" {
  project     = var.project
  role_id     = "${replace(var.name, "-", "_")}_scaler"
  title       = "${var.name}: sets how many instances a pool has"
  description = "Reads and updates worker pools."
  permissions = [
    "run.operations.get",
    "run.workerpools.get",
    "run.workerpools.update",
  ]
}

resource "google_cloud_run_v2_worker_pool_iam_member" "scaler" {
  for_each = local.scaled

  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_worker_pool.this[each.key].name
  role     = google_project_iam_custom_role.scaler.name
  member   = google_service_account.process["scaler"].member
}

# Cloud Run lets only those update a pool who may act as the pool's account.
resource "google_service_account_iam_member" "scaler" {
  for_each = local.scaled

  service_account_id = google_service_account.process[each.key].name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.process["scaler"].member
}

# A replay is a run on a worker: it starts the job with the range that it is about, looks how its execution does, and
# cancels it. The scheduler starts jobs as they are.
resource "google_cloud_run_v2_job_iam_member" "replays" {
  for_each = toset(["roles/run.jobsExecutorWithOverrides", "roles/run.viewer"])

  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_job.replay.name
  role     = each.key
  member   = google_service_account.process["worker"].member
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  for_each = local.schedules

  project  = var.project
  location = var.region
  name     = google_cloud_run_v2_job.other[each.key].name
  role     = "roles/run.invoker"
  member   = google_service_account.process["scheduler"].member
}

resource "google_artifact_registry_repository_iam_member" "stores" {
  project    = var.project
  location   = var.region
  repository = google_artifact_registry_repository.mirror.repository_id
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.process["stores"].member
}
