// SPDX-License-Identifier: GPL-2.0
/*
 * For measurements only: how the packets with data that go to a NIC are made up. A
 * module, because the tracepoint's own fields do not have the number of fragments and a
 * kprobe would need the layout of one kernel's sk_buff.
 */
#include <linux/module.h>
#include <linux/skbuff.h>
#include <linux/tracepoint.h>

static unsigned long packets;
module_param(packets, ulong, 0644);
MODULE_PARM_DESC(packets, "with fragments, since this was last set");

static unsigned long fragments;
module_param(fragments, ulong, 0644);
MODULE_PARM_DESC(fragments, "in these packets");

static unsigned long bytes;
module_param(bytes, ulong, 0644);
MODULE_PARM_DESC(bytes, "in these fragments");

static struct tracepoint *xmit;

/* Not atomic: for a machine with one processor. */
static void sluice_frags_count(void *data, const struct sk_buff *skb, const struct net_device *dev)
{
	unsigned int nr_frags = skb_shinfo(skb)->nr_frags;

	if (!nr_frags)
		return;
	packets++;
	fragments += nr_frags;
	bytes += skb->data_len;
}

static void sluice_frags_find(struct tracepoint *tp, void *name)
{
	if (!strcmp(tp->name, name))
		xmit = tp;
}

static int __init sluice_frags_init(void)
{
	for_each_kernel_tracepoint(sluice_frags_find, "net_dev_start_xmit");
	if (!xmit)
		return -ENOENT;
	return tracepoint_probe_register(xmit, sluice_frags_count, NULL);
}

static void __exit sluice_frags_exit(void)
{
	tracepoint_probe_unregister(xmit, sluice_frags_count, NULL);
	tracepoint_synchronize_unregister();
}

module_init(sluice_frags_init);
module_exit(sluice_frags_exit);
MODULE_DESCRIPTION("Counts fragments per packet, for Sluice's measurements");
MODULE_LICENSE("GPL");
