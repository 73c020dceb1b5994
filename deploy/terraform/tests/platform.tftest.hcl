# What the module promises, planned and applied against a provider that has the schema of Google's and no cloud.
variables {
  project = "desk-prod"
  image   = "europe-west3-docker.pkg.dev/desk-prod/energy/platform@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  passwords = {
    database       = "database-password-of-20"
    valkey         = "valkey-password-of-20-or-more"
    influxdb_token = "influxdb-token-of-20-or-more"
    influxdb_admin = "influxdb-admin-of-20-or-more"
    grafana_admin  = "grafana-admin-of-20-or-more"
  }
  provider_keys     = ["ENTSOE_SECURITY_TOKEN"]
  operators         = ["user:ops@example.com"]
  dashboard_viewers = ["group:traders@example.com"]
  billing_account   = "012345-567890-ABCDEF"
  alerts            = { emails = ["desk@example.com"] }
}

run "applies" {
  command = apply

  assert {
    condition     = length(google_bigquery_table.source) == 2 * length(local.catalogue.sources)
    error_message = "Each source has a table and a quarantine."
  }

  assert {
    condition = alltrue([
      for name, table in local.catalogue.tables :
      google_bigquery_table.source[name].clustering == tolist(table.clustering.fields)
      && google_bigquery_table.source[name].time_partitioning[0].field == table.timePartitioning.field
      && google_bigquery_table.source[name].require_partition_filter == table.requirePartitionFilter
    ])
    error_message = "Tables have the partitions and clusters that the platform's client gives them."
  }

  assert {
    condition     = google_bigquery_table.source["nord_pool_intraday_trade"].require_partition_filter
    error_message = "A large table asks for a filter."
  }

  assert {
    condition     = length(google_pubsub_topic.live) == length(local.catalogue.sources)
    error_message = "Each source has a topic."
  }

  assert {
    condition     = google_pubsub_topic.live["elexon_frequency"].name == "energy-elexon_frequency"
    error_message = "A topic has the name that the platform publishes to."
  }

  assert {
    condition     = alltrue([for one in [google_pubsub_subscription.landed, google_pubsub_subscription.landed_table] : length(one.dead_letter_policy) == 1])
    error_message = "What can't be handled ends in the dead letters."
  }

  assert {
    condition = alltrue([
      for bucket in [google_storage_bucket.landing, google_storage_bucket.leases, google_storage_bucket.backups] :
      bucket.uniform_bucket_level_access && bucket.public_access_prevention == "enforced"
    ])
    error_message = "No bucket can be made public."
  }

  assert {
    condition     = toset(keys(google_service_account.process)) == toset(keys(local.accounts))
    error_message = "Each kind of process has an account of its own."
  }

  assert {
    condition     = !contains([for one in values(local.project_grants) : one.role], "roles/editor")
    error_message = "Nobody may do everything."
  }

  assert {
    condition     = output.settings.ENERGY_PLATFORM_LANDING == "gs://desk-prod-energy-landing/landing"
    error_message = "The outputs are settings."
  }

  assert {
    condition     = output.settings.ENERGY_PLATFORM_LIVE_BUS == "pubsub://desk-prod/energy"
    error_message = "The live bus is in this project."
  }

  assert {
    condition     = length(google_billing_budget.month) == 1
    error_message = "The budget is watched."
  }

  assert {
    condition     = google_cloud_run_v2_worker_pool.this["worker"].scaling[0].manual_instance_count == 1
    error_message = "The scaler begins with the least."
  }

  # The scaler's settings name each pool as Cloud Run does.
  assert {
    condition = contains(
      [for one in google_cloud_run_v2_worker_pool.this["scaler"].template[0].containers[0].env : one.value],
      "projects/desk-prod/locations/europe-west3/workerPools/energy-"
    )
    error_message = "The scaler is told where the pools are."
  }
}

# Settings that are not secret are the same everywhere, and no process is told another one's secrets.
run "secrets_go_to_those_who_need_them" {
  command = apply

  assert {
    condition = alltrue([
      for process in ["hot-lane", "control", "dashboard", "metrics", "scaler"] :
      !contains(keys(local.secret_variables[process]), "ENTSOE_SECURITY_TOKEN")
    ])
    error_message = "Providers' keys are for those that ask providers."
  }

  assert {
    condition     = contains(keys(local.secret_variables["collector"]), "ENTSOE_SECURITY_TOKEN")
    error_message = "A collector has the keys that the desk has."
  }

  assert {
    condition     = !contains(keys(local.secret_variables["collector"]), "GIE_API_KEY")
    error_message = "A secret without a version would keep the collector from starting."
  }
}

run "without_a_budget_and_a_managed_broker" {
  command = plan

  variables {
    billing_account = null
    managed_broker  = false
  }

  assert {
    condition     = length(google_billing_budget.month) == 0 && length(google_memorystore_instance.broker) == 0
    error_message = "Neither is made."
  }

  assert {
    condition     = contains(tolist(google_compute_firewall.stores.allow)[0].ports, "6379")
    error_message = "Processes reach the Valkey on the stores' machine."
  }

  assert {
    condition     = strcontains(google_compute_instance.stores.metadata["user-data"], "valkey.service")
    error_message = "The stores' machine runs a Valkey."
  }
}

run "refuses_an_image_by_its_tag" {
  command = plan
  variables {
    image = "europe-west3-docker.pkg.dev/desk-prod/energy/platform:latest"
  }
  expect_failures = [var.image]
}

run "refuses_a_key_that_no_source_asks_for" {
  command = plan
  variables {
    provider_keys = ["ENTSOE_TOKEN"]
  }
  expect_failures = [var.provider_keys]
}

run "refuses_a_short_password" {
  command = plan
  variables {
    passwords = {
      database       = "short"
      valkey         = "valkey-password-of-20-or-more"
      influxdb_token = "influxdb-token-of-20-or-more"
      influxdb_admin = "influxdb-admin-of-20-or-more"
      grafana_admin  = "grafana-admin-of-20-or-more"
    }
  }
  expect_failures = [var.passwords]
}

run "refuses_fewer_at_most_than_at_least" {
  command = plan
  variables {
    workers = { least = 3, most = 2 }
  }
  expect_failures = [var.workers]
}
