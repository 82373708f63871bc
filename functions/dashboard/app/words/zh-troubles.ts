/** What may be wrong with a deployment, in Chinese; English is in shared/health/troubles.ts. */
import type { TroubleCode } from "../../../../shared/health/troubles.ts";

export const ZH_TROUBLES: Record<TroubleCode, { text: string; next: string }> = {
  indexUnreachable: { text: "索引不可用：{problem}", next: "检查 Redis 是否运行、是否已满、部署的设置能否连上它。" },
  indexRebuilding: { text: "正在由存储桶重建索引；尚未就绪的内容以 503 应答", next: "等待，或运行 `ferry rebuild` 尽早完成。" },
  indexDamaged: {
    text: "{count} 个日志或信封无法读取：{first}",
    next: "保持存储桶原样，运行 `ferry fsck`；docs/operations.md 说明每种情况如何修复。",
  },
  indexUnlike: {
    text: "第 {generation} 代索引与存储桶的内容不符：{first}",
    next: "如果存储桶丢失了对象，请从副本恢复；如果它是还原的或换了一个，请把 GENERATION 设为新名称，然后运行 `ferry rebuild`。",
  },
  bellSilent: {
    text: "已有 {days} 天没有回收：每分钟的定时触发似乎没有运行，因此不会自动回收、复制或封存",
    next: "在 Workers 上确认 cron 触发器存在且没有出错；在 Node 上确认有一个进程负责定时。",
  },
  collectProblem: { text: "上一次回收因问题结束：{problem}", next: "先运行 `ferry fsck`，再运行 `ferry collect --dry-run`。" },
  collectMissing: { text: "主存储中缺少 {count} 个被修订引用的数据块", next: "运行 `ferry fsck --plan`：它说明这些字节还在哪里。" },
  damageFound: {
    text: "上一次检查发现 {count} 处修订所需的内容丢失或错误：{first}",
    next: "先运行 `ferry fsck --plan`，再运行 `ferry fsck --repair`。",
  },
  replicaFailed: {
    text: "存储 {store} 中有 {count} 个副本失败：{problem}",
    next: "运行 `ferry store probe {store}`，再对每个副本运行 `ferry sync status`；系统会自动再试。",
  },
  replicaRetrying: {
    text: "存储 {store} 中有 {count} 个副本正在重试：{problem}",
    next: "会自动继续；若一直如此，请看 `ferry sync status`。",
  },
  replicaStalled: {
    text: "存储 {store} 有 {count} 个副本等待超过 {hours} 小时而未复制任何字节",
    next: "若该存储只能由代理访问，请在其旁运行 `ferry sync execute --stores {store}`。",
  },
  replicaLagging: {
    text: "存储 {store} 有 {count} 个副本的等待时间超过策略允许的 {minutes} 分钟",
    next: "查看 `ferry sync status`：增加执行者（`ferry sync execute`），或在策略中提高速率。",
  },
  warmupLate: {
    text: "{what} 的预热已超时：{target} 个节点中 {ready} 个就绪",
    next: "查看 `ferry warm map`，以及没有上报或失败的节点上代理的日志。",
  },
  agentVersions: { text: "{count} 个代理的版本与部署的 {version} 不同", next: "分批重新部署代理。" },
  webhookDisabled: { text: "Webhook {name} 已停用：{reason}", next: "修好接收方，然后运行 `ferry webhook rotate {name}`。" },
  webhookFailing: {
    text: "Webhook {name} 在过去一天有投递被放弃：{problem}",
    next: "修好接收方，然后运行 `ferry webhook deliveries {name} --state failed` 和 `ferry webhook replay`。",
  },
  auditDamaged: {
    text: "过去一天的审计记录中有 {count} 批无法读取或被改动",
    next: "运行 `ferry audit verify`，并检查谁可以写入存储桶。",
  },
  storeUnprobed: { text: "存储 {store} 未经探测：无法向它上传", next: "运行 `ferry store probe {store}`。" },
  storeRefusesNothing: {
    text: "存储 {store} 没有任何已证实的上传校验：无法向它上传",
    next: "检查其 provider 是否设置正确，然后运行 `ferry store probe {store}`。",
  },
  storeClock: { text: "存储 {store} 的时钟相差 {seconds} 秒", next: "校准它：相差 5 分钟时回收会停止，签名请求也会提前失效。" },
  tokenEnding: { text: "令牌 {name} 将在 7 天内到期", next: "运行 `ferry token rotate`，并把新令牌交给使用者。" },
  quotaNear: {
    text: "{repository} 已用去配额的 {percent} %",
    next: "用 `ferry quota {repository}` 提高配额，或看看 `ferry retention {repository}` 会删除什么。",
  },
};
