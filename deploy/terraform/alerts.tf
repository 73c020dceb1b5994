# Alarms on the platform's own metrics (docs/operations.md), as Cloud Monitoring has them from the pool `metrics`. The
# platform's own alerts (docs/alerts.md) say more; these tell as well when the platform can't say anything.
locals {
  promises = {
    lag = {
      name     = "A source is late"
      severity = "ERROR"
      minutes  = var.alerts.lag_minutes
      query    = "energy_platform_source_late == 1 and on(source) energy_platform_source_lag_seconds > ${var.alerts.lag_factor} * energy_platform_source_expected_lag_seconds"
      says     = "The newest row is more than ${var.alerts.lag_factor} times as old as the source's own file allows. `energy-platform status` says whether the feed, the batches or the provider holds it up."
    }
    backlog = {
      name     = "Messages wait for the warehouse"
      severity = "ERROR"
      minutes  = 15
      query    = "sum(energy_platform_source_backlog_messages) > ${var.alerts.backlog_messages}"
      says     = "The scaler has had a quarter of an hour to start workers. Look at its log, at the most that `workers` allows, and at the broker."
    }
    blocked = {
      name     = "A source is blocked"
      severity = "CRITICAL"
      minutes  = 5
      query    = "energy_platform_source_blocked == 1"
      says     = "Its batches fail again and again at one offset. `energy-platform status` has the reason."
    }
    hot_copy = {
      name     = "Screens lack rows that the warehouse has"
      severity = "WARNING"
      minutes  = 10
      query    = "energy_platform_source_hot_copy_behind == 1"
      says     = "The hot lane or InfluxDB is down or slow."
    }
    silent = {
      name     = "The platform tells nothing"
      severity = "CRITICAL"
      minutes  = 10
      query    = "absent(energy_platform_source_flowing)"
      says     = "No metrics have arrived. The pool `metrics` is down, or the warehouse that it asks."
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  for_each = var.alerts.emails

  project      = var.project
  display_name = each.value
  type         = "email"
  labels       = { email_address = each.value }
}

resource "google_monitoring_alert_policy" "promise" {
  for_each = local.promises

  project               = var.project
  display_name          = "${var.name}: ${each.value.name}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = [for one in google_monitoring_notification_channel.email : one.id]
  user_labels           = local.labels

  conditions {
    display_name = each.value.name
    condition_prometheus_query_language {
      query                     = each.value.query
      duration                  = "${each.value.minutes * 60}s"
      evaluation_interval       = "60s"
      disable_metric_validation = true # a metric is known only once a process has sent it
    }
  }

  documentation {
    content   = each.value.says
    mime_type = "text/markdown"
  }

  alert_strategy {
    auto_close = "86400s"
  }

  depends_on = [google_project_service.api]
}

# What Google itself measures: a process of the stores or of Pub/Sub that falls behind.
resource "google_monitoring_alert_policy" "unacknowledged" {
  project               = var.project
  display_name          = "${var.name}: signals of landed messages wait"
  combiner              = "OR"
  severity              = "WARNING"
  notification_channels = [for one in google_monitoring_notification_channel.email : one.id]
  user_labels           = local.labels

  conditions {
    display_name = "the oldest unacknowledged signal"
    condition_threshold {
      filter          = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = monitoring.regex.full_match(\"${local.landed_topic}-.*\") AND metric.type = \"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
      comparison      = "COMPARISON_GT"
      threshold_value = var.alerts.unacknowledged_min * 60
      duration        = "300s"
      aggregations {
        alignment_period   = "60s"
        per_series_aligner = "ALIGN_MAX"
      }
    }
  }

  documentation {
    content   = "A reader is down, or dead letters wait to be looked at. No row is lost: a signal only tells what the logs have."
    mime_type = "text/markdown"
  }

  depends_on = [google_project_service.api]
}

resource "google_monitoring_alert_policy" "job" {
  project               = var.project
  display_name          = "${var.name}: a job has failed"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = [for one in google_monitoring_notification_channel.email : one.id]
  user_labels           = local.labels

  conditions {
    display_name = "failed executions"
    condition_threshold {
      filter          = "resource.type = \"cloud_run_job\" AND resource.labels.job_name = monitoring.regex.full_match(\"${var.name}-.*\") AND metric.type = \"run.googleapis.com/job/completed_execution_count\" AND metric.labels.result = \"failed\""
      comparison      = "COMPARISON_GT"
      threshold_value = 0
      duration        = "0s"
      aggregations {
        alignment_period   = "300s"
        per_series_aligner = "ALIGN_DELTA"
      }
    }
  }

  documentation {
    content   = "`verify` fails where it finds a damaged file, and names it in its log; a replay's task failed four times."
    mime_type = "text/markdown"
  }

  depends_on = [google_project_service.api]
}

resource "google_billing_budget" "month" {
  count = var.billing_account == null ? 0 : 1

  billing_account = var.billing_account
  display_name    = "${var.name}: a month"

  budget_filter {
    projects        = ["projects/${data.google_project.this.number}"]
    calendar_period = "MONTH"
  }

  amount {
    specified_amount {
      currency_code = var.alerts.budget_currency
      units         = tostring(var.alerts.monthly_budget)
    }
  }

  threshold_rules {
    threshold_percent = 0.5
    spend_basis       = "CURRENT_SPEND"
  }

  threshold_rules {
    threshold_percent = 0.9
    spend_basis       = "CURRENT_SPEND"
  }

  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    monitoring_notification_channels = [for one in google_monitoring_notification_channel.email : one.id]
    disable_default_iam_recipients   = false
  }
}
