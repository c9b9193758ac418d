# Answers the metrics as Sidekiq's API shows them. Given: classes (for the details), hours (instead of an hour's minutes), perhaps;
# mark (a label, perhaps null) makes one first.
require "sidekiq/deploy"
require "sidekiq/metrics/query"

Sidekiq::Deploy.mark!(GIVEN["mark"]) if GIVEN["mark"]
span = GIVEN["hours"] ? {hours: GIVEN["hours"]} : {minutes: 60}
top = Sidekiq::Metrics::Query.new.top_jobs(**span)
details = GIVEN.fetch("classes", []).to_h do |name|
  job = Sidekiq::Metrics::Query.new.for_job(name, **span).job_results[name]
  buckets = job.hist.values.map(&:reverse).reduce { |sum, one| sum.zip(one).map(&:sum) }
  [name, {totals: job.totals, average: job.total_avg, buckets: buckets, series: job.series["p"]}]
end
answer(
  top: top.job_results.transform_values(&:totals),
  marks: top.marks.map { |mark| [mark.time.to_i, mark.label, mark.bucket] },
  jobs: details
)
