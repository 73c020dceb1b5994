# What processes must know and nobody else may. The values of `passwords` are written here and read nowhere; those of
# providers' keys are added by hand: `gcloud secrets versions add`.
locals {
  database_host = google_sql_database_instance.state.private_ip_address

  made = {
    state-url = {
      variable = "ENERGY_PLATFORM_STATE_URL"
      readers  = ["collector", "worker", "hot-lane", "control", "ui", "dashboard", "metrics", "scaler"]
    }
    broker-url = {
      variable = "ENERGY_PLATFORM_BROKER_URL"
      readers  = ["worker", "control", "ui", "scaler"]
    }
    influxdb-token = {
      variable = "ENERGY_PLATFORM_INFLUXDB_TOKEN"
      readers  = ["hot-lane", "worker", "ui", "dashboard", "metrics", "stores"]
    }
    influxdb-admin = { variable = null, readers = ["stores"] }
    grafana-admin  = { variable = null, readers = ["stores"] }
    valkey         = { variable = null, readers = ["stores"] }
    users          = { variable = null, readers = ["ui", "dashboard"] }
  }

  # Providers' keys are for those that ask providers: collectors, and the backfills that Dagster launches on workers.
  keys = {
    for key in local.catalogue.keys : key => {
      id       = lower(replace(key, "_", "-"))
      variable = key
      readers  = ["collector", "worker"]
    }
  }

  reads = merge([
    for secret, one in merge(local.made, { for key in var.provider_keys : local.keys[key].id => local.keys[key] }) : {
      for reader in one.readers : "${secret} by ${reader}" => { secret = secret, reader = reader }
    }
  ]...)

  # Which variables each kind of process gets from secrets.
  secret_variables = {
    for process in keys(local.accounts) : process => {
      for secret, one in merge(local.made, { for key in var.provider_keys : local.keys[key].id => local.keys[key] }) :
      one.variable => google_secret_manager_secret.this[secret].secret_id
      if one.variable != null && contains(one.readers, process)
    }
  }
}

resource "google_secret_manager_secret" "this" {
  for_each = toset(concat(keys(local.made), [for one in values(local.keys) : one.id]))

  project   = var.project
  secret_id = "${var.name}-${each.key}"
  labels    = local.labels

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.api]
}

resource "google_secret_manager_secret_version" "state_url" {
  secret                 = google_secret_manager_secret.this["state-url"].id
  secret_data_wo         = "postgresql://platform:${var.passwords.database}@${local.database_host}:5432/${google_sql_database.state.name}"
  secret_data_wo_version = var.passwords_version
}

resource "google_secret_manager_secret_version" "broker_url" {
  secret                 = google_secret_manager_secret.this["broker-url"].id
  secret_data_wo         = var.managed_broker ? "redis://${local.broker_host}:6379/0" : "redis://:${var.passwords.valkey}@${local.broker_host}:6379/0"
  secret_data_wo_version = var.passwords_version
}

resource "google_secret_manager_secret_version" "influxdb_token" {
  secret                 = google_secret_manager_secret.this["influxdb-token"].id
  secret_data_wo         = var.passwords.influxdb_token
  secret_data_wo_version = var.passwords_version
}

resource "google_secret_manager_secret_version" "influxdb_admin" {
  secret                 = google_secret_manager_secret.this["influxdb-admin"].id
  secret_data_wo         = var.passwords.influxdb_admin
  secret_data_wo_version = var.passwords_version
}

resource "google_secret_manager_secret_version" "grafana_admin" {
  secret                 = google_secret_manager_secret.this["grafana-admin"].id
  secret_data_wo         = var.passwords.grafana_admin
  secret_data_wo_version = var.passwords_version
}

resource "google_secret_manager_secret_version" "valkey" {
  secret                 = google_secret_manager_secret.this["valkey"].id
  secret_data_wo         = var.passwords.valkey
  secret_data_wo_version = var.passwords_version
}

resource "google_secret_manager_secret_version" "users" {
  secret      = google_secret_manager_secret.this["users"].id
  secret_data = var.users
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = local.reads

  project   = var.project
  secret_id = google_secret_manager_secret.this[each.value.secret].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.process[each.value.reader].member
}
