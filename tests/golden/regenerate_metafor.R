# Makes the golden files from R. Usage:
#   apt-get install r-base-core r-cran-metafor r-cran-metadat r-cran-jsonlite \
#                   r-cran-clubsandwich r-cran-lme4
#   Rscript tests/golden/regenerate_metafor.R OUTPUT_FOLDER
# Made with R 4.2.2, metafor 3.8-1, metadat 1.2-0, clubSandwich 0.5.8, lme4 1.1-31. The script
# stops with a warning on any other metafor, since defaults and digits change between versions.
suppressMessages({
  library(metafor); library(metadat); library(jsonlite); library(clubSandwich)
})
out <- commandArgs(trailingOnly = TRUE)[1]
if (is.na(out)) stop("Name an output folder.")
if (packageVersion("metafor") != "3.8.1")
  warning("metafor ", packageVersion("metafor"), " is not the 3.8-1 these files were made with.")
tool <- paste("R metafor", "3.8-1")
versions <- list(
  R = paste(R.version$major, R.version$minor, sep = "."),
  metafor = as.character(packageVersion("metafor")),
  metadat = as.character(packageVersion("metadat")),
  clubSandwich = as.character(packageVersion("clubSandwich")),
  lme4 = as.character(packageVersion("lme4"))
)
# metafor's defaults stop at 4 to 7 digits; these go on to the last.
tight <- list(threshold = 1e-15, maxiter = 1e5, tol = 1e-14)
methods <- c("DL", "PM", "REML", "ML", "HE", "SJ", "EB")
num <- function(x) unname(as.numeric(x))
save <- function(x, name)
  write(toJSON(x, digits = I(15), auto_unbox = TRUE, pretty = TRUE), file.path(out, name))
# Where rounding keeps Fisher scoring from ever taking a step below 1e-15, allow 1e-13.
fit <- function(y, v, method, ...) tryCatch(
  rma(y, v, method = method, control = tight, ...),
  error = function(e)
    rma(y, v, method = method, control = modifyList(tight, list(threshold = 1e-13)), ...))
profile_root <- function(y, v, target) {
  q <- function(t) { w <- 1 / (v + t); sum(w * (y - sum(w * y) / sum(w))^2) - target }
  uniroot(q, c(0, 100), tol = 1e-15, maxiter = 1e5)$root
}

battery <- function(y, v) {
  k <- length(y)
  common <- rma(y, v, method = "EE")
  res <- list(common = list(
    estimate = num(common$beta), se = common$se, ci_low = common$ci.lb, ci_high = common$ci.ub,
    Q = common$QE, Q_p = common$QEp))
  for (m in methods) {
    r <- fit(y, v, m); p <- predict(r)
    res[[m]] <- list(
      estimate = num(r$beta), se = r$se, ci_low = r$ci.lb, ci_high = r$ci.ub, p = r$pval,
      tau2 = r$tau2, I2 = r$I2 / 100, H2 = r$H2, pi_low = p$pi.lb, pi_high = p$pi.ub)
  }
  kh <- fit(y, v, "REML", test = "knha"); p <- predict(kh)
  res$REML_knapp_hartung <- list(se = kh$se, ci_low = kh$ci.lb, ci_high = kh$ci.ub, p = kh$pval,
                                 pi_low = p$pi.lb, pi_high = p$pi.ub)
  # confint()'s own tolerance is 4 digits, so the exact roots are found here.
  res$tau2_Q_profile_ci <- list(low = profile_root(y, v, qchisq(.975, k - 1)),
                                high = profile_root(y, v, qchisq(.025, k - 1)))
  classic <- regtest(y, v, model = "lm"); mixed <- regtest(fit(y, v, "REML"))
  res$egger_lm <- list(t = classic$zval, df = classic$dfs, p = classic$pval)
  res$egger_mixed_REML <- list(z = mixed$zval, p = mixed$pval)
  rank <- ranktest(y, v)
  res$begg_rank <- list(kendall_tau = num(rank$tau), p = num(rank$pval))
  tf <- trimfill(fit(y, v, "DL"))
  res$trim_fill_DL <- list(k0 = tf$k0, side = tf$side, estimate = num(tf$beta), se = tf$se)
  loo <- lapply(seq_len(k), function(i) fit(y[-i], v[-i], "REML"))
  res$leave_one_out_REML <- list(estimate = sapply(loo, function(r) num(r$beta)),
                                 tau2 = sapply(loo, function(r) r$tau2))
  cum <- lapply(seq_len(k), function(i) rma(y[1:i], v[1:i], method = if (i > 1) "DL" else "EE"))
  res$cumulative_DL <- list(estimate = sapply(cum, function(r) num(r$beta)))
  res
}

# ---- meta_analysis.json ------------------------------------------------------------------
bcg <- escalc(measure = "RR", ai = tpos, bi = tneg, ci = cpos, di = cneg, data = dat.bcg)
bcg_data <- data.frame(bcg[c("trial", "year", "tpos", "tneg", "cpos", "cneg", "ablat", "alloc")],
                       yi = num(bcg$yi), vi = num(bcg$vi))
bcg_results <- battery(num(bcg$yi), bcg$vi)
reg <- fit(bcg$yi, bcg$vi, "REML", mods = ~ bcg$ablat)
bcg_results$meta_regression_ablat_REML <- list(
  b = num(reg$beta), se = reg$se, z = reg$zval, p = reg$pval, tau2 = reg$tau2,
  R2 = (bcg_results$REML$tau2 - reg$tau2) / bcg_results$REML$tau2,
  QM = reg$QM, QM_p = reg$QMp, QE = reg$QE, QE_p = reg$QEp)
sub <- fit(bcg$yi, bcg$vi, "REML", mods = ~ bcg$alloc)
bcg_results$subgroup_alloc_REML <- list(
  levels = sort(unique(bcg$alloc)), b = num(sub$beta), se = sub$se, tau2 = sub$tau2,
  QM = sub$QM, QM_p = sub$QMp)
pritz <- escalc(measure = "PLO", xi = xi, ni = ni, data = dat.pritz1997)
pft <- escalc(measure = "PFT", xi = xi, ni = ni, data = dat.pritz1997)
pft_fit <- fit(pft$yi, pft$vi, "REML")
glmm <- rma.glmm(measure = "PLO", xi = xi, ni = ni, data = dat.pritz1997, nAGQ = 25)
save(list(
  tool = tool,
  BCG = list(source = "Colditz et al. 1994 BCG vaccine trials (13 trials); effect: log risk ratio",
             data = bcg_data, results = bcg_results),
  Pritz = list(
    source = paste("Pritz 1997, proportions (14 studies); effects: logit and Freeman-Tukey",
                   "double arcsine"),
    data = data.frame(pritz[c("study", "xi", "ni")], logit_yi = num(pritz$yi),
                      logit_vi = num(pritz$vi)),
    logit = battery(num(pritz$yi), pritz$vi),
    freeman_tukey = list(
      yi = num(pft$yi), vi = num(pft$vi),
      REML = list(estimate = num(pft_fit$beta), se = pft_fit$se, tau2 = pft_fit$tau2),
      backtransformed_harmonic = transf.ipft.hm(num(pft_fit$beta),
                                                targs = list(ni = dat.pritz1997$ni))),
    binomial_normal_glmm = list(estimate = num(glmm$beta), se = glmm$se, tau2 = glmm$tau2))
), "meta_analysis.json")

# ---- diagnostic.json ---------------------------------------------------------------------
reitsma <- function(d, method) {
  k <- nrow(d); d <- d + 0.5
  long <- data.frame(
    study = rep(seq_len(k), each = 2), part = rep(c("sens", "fpr"), k),
    yi = as.vector(rbind(log(d$tp / d$fn), log(d$fp / d$tn))),
    vi = as.vector(rbind(1 / d$tp + 1 / d$fn, 1 / d$fp + 1 / d$tn)))
  long$part <- factor(long$part, levels = c("sens", "fpr"))
  # nlminb stops at its relative tolerance or fails beyond it; BFGS goes on to about 1e-7.
  r <- rma.mv(yi, vi, mods = ~ part - 1, random = ~ part | study, struct = "UN", data = long,
              method = method,
              control = list(optimizer = "optim", optmethod = "BFGS", reltol = 1e-16))
  list(logit_sens = num(r$beta[1]), logit_fpr = num(r$beta[2]), se_sens = r$se[1],
       se_fpr = r$se[2], tau2_sens = r$tau2[1], tau2_fpr = r$tau2[2], rho = r$rho,
       logLik = num(logLik(r)), sens = plogis(num(r$beta[1])), spec = plogis(-num(r$beta[2])))
}
kearon <- with(na.omit(dat.kearon1998), data.frame(tp = tp, fn = np - tp, fp = nn - tn, tn = tn))
audit <- as.data.frame(matrix(c(
  47,9,101,738, 126,51,272,1543, 19,10,12,192, 36,3,78,276, 130,19,211,959, 84,2,68,89,
  68,0,112,423, 752,0,3226,2977, 59,5,55,136, 142,50,571,2788, 137,24,107,358, 57,3,103,437,
  34,1,21,56, 152,51,88,264), ncol = 4, byrow = TRUE,
  dimnames = list(NULL, c("tp", "fn", "fp", "tn"))))
save(list(
  tool = paste(tool, "rma.mv (bivariate normal model of Reitsma 2005)"),
  source = "Kearon 1998, venous ultrasonography for deep vein thrombosis",
  data = data.frame(study = seq_len(nrow(kearon)), kearon),
  results = list(continuity = 0.5, REML = reitsma(kearon, "REML"), ML = reitsma(kearon, "ML"))
), "diagnostic.json")

# ---- models.json -------------------------------------------------------------------------
coefs <- function(r) list(
  b = num(r$beta), se = r$se, stat = r$zval, p = r$pval, ci_low = r$ci.lb, ci_high = r$ci.ub,
  tau2 = r$tau2, I2 = r$I2, H2 = r$H2, QM = r$QM, QM_p = r$QMp, QE = r$QE, QE_p = r$QEp,
  logLik = num(logLik(r)))
regressions <- list()
for (m in c("REML", "ML", "DL", "EB", "HE", "HS", "SJ", "PM")) for (t in c("z", "knha")) {
  key <- paste("ablat", m, t); regressions[[key]] <-
    coefs(fit(bcg$yi, bcg$vi, m, mods = ~ ablat, data = bcg, test = t))
  key <- paste("ablat+year", m, t); regressions[[key]] <-
    coefs(fit(bcg$yi, bcg$vi, m, mods = ~ ablat + year, data = bcg, test = t))
  key <- paste("alloc", m, t); regressions[[key]] <-
    coefs(fit(bcg$yi, bcg$vi, m, mods = ~ alloc, data = bcg, test = t))
}
diagnostics <- function(r) {
  i <- influence(r)
  list(rstudent = i$inf$rstudent, dffits = i$inf$dffits, cook = i$inf$cook.d,
       cov_ratio = i$inf$cov.r, tau2_deleted = i$inf$tau2.del, q_deleted = i$inf$QE.del,
       hat = i$inf$hat, weight = i$inf$weight, dfbetas = as.matrix(as.data.frame(i$dfbs)))
}
kons <- dat.konstantopoulos2011
kons_data <- kons[c("district", "school", "yi", "vi", "year")]
three <- function(method, mods = ~ 1) {
  r <- rma.mv(yi, vi, mods = mods, random = ~ 1 | district/school, data = kons, method = method,
              control = list(rel.tol = 1e-11))
  cr <- lapply(c(CR0 = "CR0", CR2 = "CR2"), function(type) {
    q <- coef_test(r, vcov = type, cluster = kons$district)
    list(se = q$SE, df = q$df_Satt, p = q$p_Satt) })
  rob <- robust(r, cluster = kons$district)
  list(b = num(r$beta), se = r$se, sigma2 = r$sigma2, QE = r$QE, logLik = num(logLik(r)),
       CR0 = cr$CR0, CR2 = cr$CR2, CR1 = list(se = rob$se, df = rob$dfs, p = rob$pval))
}
two <- fit(kons$yi, kons$vi, "REML")
two_cr2 <- coef_test(two, vcov = "CR2", cluster = kons$district)
egger <- escalc(measure = "OR", ai = ai, n1i = n1i, ci = ci, n2i = n2i, data = dat.egger2001)
hack <- dat.hackshaw1998
raud <- dat.raudenbush1985
bias <- function(y, v) {
  rank <- ranktest(y, v); mixed <- regtest(fit(y, v, "REML"))
  classic <- regtest(y, v, model = "lm")
  l0 <- trimfill(fit(y, v, "REML")); r0 <- trimfill(fit(y, v, "REML"), estimator = "R0")
  l0c <- trimfill(rma(y, v, method = "EE"))
  pet <- lm(y ~ sqrt(v), weights = 1 / v); peese <- lm(y ~ v, weights = 1 / v)
  list(effect = num(y), variance = num(v), kendall = num(rank$tau), begg_p = num(rank$pval),
       z = mixed$zval, p = mixed$pval, limit = num(mixed$est), limit_low = num(mixed$ci.lb),
       limit_high = num(mixed$ci.ub), t = classic$zval, df = classic$dfs, t_p = classic$pval,
       wls_limit = num(classic$est),
       L0 = list(k0 = l0$k0, se = l0$se.k0, side = l0$side, estimate = num(l0$beta),
                 tau2 = l0$tau2),
       L0_common = list(k0 = l0c$k0, estimate = num(l0c$beta)),
       R0 = list(k0 = r0$k0, se = r0$se.k0, p = r0$p.k0, estimate = num(r0$beta)),
       pet = num(coef(pet)), pet_se = num(sqrt(diag(vcov(pet)))),
       peese = num(coef(peese)), peese_se = num(sqrt(diag(vcov(peese)))),
       rosenthal = fsn(y, v)$fsnum)
}
proportions <- list()
for (m in c("PR", "PLN", "PLO", "PAS", "PFT")) {
  e <- escalc(measure = m, xi = c(0, 3, 10, 12, 5), ni = c(9, 12, 10, 40, 5))
  proportions[[m]] <- list(yi = num(e$yi), vi = num(e$vi))
}
groups <- list()
for (m in c("RR", "OR", "RD")) {
  e <- escalc(measure = m, ai = c(0, 3, 7), n1i = c(9, 12, 30), ci = c(2, 4, 0),
              n2i = c(11, 12, 28))
  groups[[m]] <- list(yi = num(e$yi), vi = num(e$vi))
}
ipft <- outer(c(0.2, 0.6, 0.9, 1.2, 1.45), c(8, 25, 300),
              Vectorize(function(y, n) transf.ipft(y, ni = n)))
niel <- dat.nielweise2007
sets <- list(
  pritz = list(x = dat.pritz1997$xi, n = dat.pritz1997$ni),
  toy = list(x = c(50,98,120,45,200,39), n = c(50,100,130,45,210,40)),
  nielweise_treated = list(x = niel$ai, n = niel$n1i),
  nielweise_control = list(x = niel$ci, n = niel$n2i),
  audit_sensitivity = list(x = audit$tp, n = audit$tp + audit$fn))
glmms <- lapply(sets, function(s) {
  r <- rma.glmm(measure = "PLO", xi = s$x, ni = s$n, nAGQ = 25); p <- predict(r)
  list(x = s$x, n = s$n, estimate = num(r$beta), se = r$se, tau2 = r$tau2, ci_low = r$ci.lb,
       ci_high = r$ci.ub, pi_low = p$pi.lb, pi_high = p$pi.ub, QE_LRT = r$QE.LRT, I2 = r$I2,
       H2 = r$H2)
})
save(list(
  tool = tool, versions = versions, regressions = regressions,
  influence = list(
    none_z = diagnostics(fit(bcg$yi, bcg$vi, "REML")),
    none_knha = diagnostics(fit(bcg$yi, bcg$vi, "REML", test = "knha")),
    ablat_z = diagnostics(fit(bcg$yi, bcg$vi, "REML", mods = ~ ablat, data = bcg))),
  konstantopoulos = list(data = kons_data, REML = three("REML"), ML = three("ML"),
                         year_REML = three("REML", ~ year),
                         two_level = list(b = num(two$beta), tau2 = two$tau2, se = two_cr2$SE,
                                          df = two_cr2$df_Satt, p = two_cr2$p_Satt)),
  bias = list(bcg = bias(num(bcg$yi), num(bcg$vi)), egger2001 = bias(num(egger$yi), num(egger$vi)),
              hackshaw = bias(num(hack$yi), num(hack$vi)),
              raudenbush = bias(num(raud$yi), num(raud$vi))),
  raudenbush_weeks = pmin(raud$weeks, 3),
  effects = list(proportions = proportions, groups = groups, ipft = ipft),
  glmm = glmms,
  audit = list(data = audit, REML = reitsma(audit, "REML"), ML = reitsma(audit, "ML"))
), "models.json")
