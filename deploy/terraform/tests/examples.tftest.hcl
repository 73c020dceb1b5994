# Both examples are planned as they stand.
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
}

run "small" {
  command = plan

  module {
    source = "./examples/small"
  }

  assert {
    condition     = output.platform.settings.ENERGY_PLATFORM_LINGER_SECONDS == "5"
    error_message = "The small one lands in larger objects."
  }
}

run "large" {
  command = plan

  module {
    source = "./examples/large"
  }

  assert {
    condition     = output.platform.settings.ENERGY_PLATFORM_LINGER_SECONDS == "1"
    error_message = "The large one lands sooner."
  }
}
