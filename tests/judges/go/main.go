// franz-go against a broker: `judge STORY BOOTSTRAP` tells one story and ends with an error where it does not hold.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var bootstrap string

func that(holds bool, said ...any) {
	if !holds {
		fmt.Fprintln(os.Stderr, said...)
		os.Exit(1)
	}
}

func ok(err error, what string) {
	that(err == nil, what, err)
}

func client(options ...kgo.Opt) *kgo.Client {
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(bootstrap)}, options...)...)
	ok(err, "a client")
	return c
}

func admin() *kadm.Client {
	return kadm.NewClient(client())
}

func create(ctx context.Context, topic string, partitions int32) {
	a := admin()
	defer a.Close()
	_, err := a.CreateTopic(ctx, partitions, 1, nil, topic)
	ok(err, "create "+topic)
}

func administer(ctx context.Context) {
	a := admin()
	defer a.Close()
	brokers, err := a.ListBrokers(ctx)
	ok(err, "brokers")
	that(len(brokers) == 1, "one broker", brokers)
	create(ctx, "a", 2)
	_, err = a.CreateTopic(ctx, 2, 1, nil, "a")
	that(err == kerr.TopicAlreadyExists, "made twice", err)
	grown, err := a.UpdatePartitions(ctx, 4, "a")
	ok(err, "partitions")
	ok(grown.Error(), "partitions")
	value := "1234567"
	altered, err := a.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Name: "retention.ms", Value: &value}}, "a")
	ok(err, "alter")
	ok(altered[0].Err, "alter")
	described, err := a.DescribeTopicConfigs(ctx, "a")
	ok(err, "describe")
	found := false
	for _, config := range described[0].Configs {
		found = found || config.Key == "retention.ms" && config.MaybeValue() == value
	}
	that(found, "retention.ms", described)
	c := client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i := range 10 {
		r := &kgo.Record{Topic: "a", Value: fmt.Appendf(nil, "%d", i), Timestamp: time.UnixMilli(int64(1000 + i))}
		ok(c.ProduceSync(ctx, r).FirstErr(), "produce")
	}
	c.Close()
	ends, err := a.ListEndOffsets(ctx, "a")
	ok(err, "ends")
	end, _ := ends.Lookup("a", 0)
	that(end.Offset == 10, "end", end)
	times, err := a.ListOffsetsAfterMilli(ctx, 1004, "a")
	ok(err, "by time")
	at, _ := times.Lookup("a", 0)
	that(at.Offset == 4, "by time", at)
	cut := kadm.Offsets{}
	cut.AddOffset("a", 0, 3, -1)
	_, err = a.DeleteRecords(ctx, cut)
	ok(err, "delete records")
	starts, err := a.ListStartOffsets(ctx, "a")
	ok(err, "starts")
	start, _ := starts.Lookup("a", 0)
	that(start.Offset == 3, "start", start)
	commit := kadm.Offsets{}
	commit.AddOffset("a", 0, 5, -1)
	ok(a.CommitAllOffsets(ctx, "g", commit), "commit")
	fetched, err := a.FetchOffsets(ctx, "g")
	ok(err, "offsets")
	committed, _ := fetched.Lookup("a", 0)
	that(committed.At == 5, "committed", committed)
	groups, err := a.ListGroups(ctx)
	ok(err, "groups")
	that(len(groups.Groups()) == 1, "groups", groups)
	_, err = a.DeleteGroup(ctx, "g")
	ok(err, "delete group")
	dirs, err := a.DescribeAllLogDirs(ctx, nil)
	ok(err, "log dirs")
	that(len(dirs) == 1, "log dirs", dirs)
	_, err = a.DeleteTopic(ctx, "a")
	ok(err, "delete topic")
	// Another client: this one keeps the metadata it has for a while.
	b := admin()
	defer b.Close()
	listed, err := b.ListTopics(ctx, "a")
	ok(err, "list")
	that(!listed.Has("a"), "gone", listed)
}

// Everything that is in a topic now, as a reader of committed records sees it.
func read(ctx context.Context, topic string, many int) []*kgo.Record {
	c := client(kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer c.Close()
	var all []*kgo.Record
	for len(all) < many {
		fetches := c.PollFetches(ctx)
		ok(fetches.Err(), fmt.Sprintf("%d of %d records came", len(all), many))
		all = append(all, fetches.Records()...)
	}
	return all
}

func produce(ctx context.Context) {
	create(ctx, "p", 3)
	many := 0
	for name, codec := range map[string]kgo.CompressionCodec{"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression()} {
		c := client(kgo.ProducerBatchCompression(codec))
		for i := range 2000 {
			r := kgo.KeyStringRecord(fmt.Sprint("k", i), fmt.Sprint(name, i))
			r.Topic, r.Headers = "p", []kgo.RecordHeader{{Key: "h", Value: []byte(name)}}
			c.Produce(ctx, r, func(_ *kgo.Record, err error) { ok(err, "produce") })
			many++
		}
		ok(c.Flush(ctx), "flush")
		c.Close()
	}
	once := map[string]bool{}
	for _, r := range read(ctx, "p", many) {
		that(!once[string(r.Value)], "twice", string(r.Value))
		that(len(r.Headers) == 1, "headers")
		once[string(r.Value)] = true
	}
	that(len(once) == many, len(once))
}

func groups(ctx context.Context) {
	for n, balancer := range []kgo.GroupBalancer{kgo.RangeBalancer(), kgo.RoundRobinBalancer(), kgo.CooperativeStickyBalancer()} {
		topic, group := fmt.Sprint("g", n), fmt.Sprint("group-", n)
		create(ctx, topic, 4)
		seen := make(chan string, 1000)
		held := make([]map[int32]bool, 2)
		changed := make(chan func(), 100)
		stop, end := context.WithCancel(ctx)
		closed := make(chan bool, 2)
		for m := range 2 {
			held[m] = map[int32]bool{}
			note := func(is bool) func(context.Context, *kgo.Client, map[string][]int32) {
				return func(_ context.Context, _ *kgo.Client, which map[string][]int32) {
					changed <- func() {
						for _, p := range which[topic] {
							if is {
								held[m][p] = true
							} else {
								delete(held[m], p)
							}
						}
					}
				}
			}
			c := client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.Balancers(balancer), kgo.DisableAutoCommit(),
				kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(200*time.Millisecond),
				kgo.OnPartitionsAssigned(note(true)), kgo.OnPartitionsRevoked(note(false)), kgo.OnPartitionsLost(note(false)))
			go func() {
				for stop.Err() == nil {
					fetches := c.PollFetches(stop)
					for _, r := range fetches.Records() {
						seen <- string(r.Value)
					}
					if stop.Err() == nil {
						ok(c.CommitUncommittedOffsets(ctx), "commit")
					}
				}
				c.Close()
				closed <- true
			}()
		}
		for len(held[0]) != 2 || len(held[1]) != 2 {
			select {
			case change := <-changed:
				change()
			case <-ctx.Done():
				that(false, "the group does not share", held)
			}
		}
		c := client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
		for i := range 400 {
			c.Produce(ctx, &kgo.Record{Topic: topic, Partition: int32(i % 4), Value: fmt.Append(nil, i)}, nil)
		}
		ok(c.Flush(ctx), "flush")
		c.Close()
		once := map[string]bool{}
		for len(once) < 400 {
			select {
			case value := <-seen:
				that(!once[value], "twice", value)
				once[value] = true
			case <-ctx.Done():
				that(false, len(once), "records came")
			}
		}
		a := admin()
		for {
			fetched, err := a.FetchOffsets(ctx, group)
			ok(err, "offsets")
			sum := int64(0)
			fetched.Each(func(o kadm.OffsetResponse) { sum += o.At })
			if sum == 400 {
				break
			}
			that(ctx.Err() == nil, "committed", sum)
		}
		described, err := a.DescribeGroups(ctx, group)
		ok(err, "describe")
		that(described[group].State == "Stable" && len(described[group].Members) == 2, described)
		a.Close()
		end()
		<-closed
		<-closed
	}
}

func transactions(ctx context.Context) {
	create(ctx, "in", 2)
	create(ctx, "out", 2)
	feed := client()
	for i := range 200 {
		feed.Produce(ctx, &kgo.Record{Topic: "in", Value: fmt.Append(nil, i)}, nil)
	}
	ok(feed.Flush(ctx), "flush")
	feed.Close()
	s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(bootstrap), kgo.TransactionalID("t"), kgo.ConsumerGroup("tg"), kgo.ConsumeTopics("in"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RequireStableFetchOffsets())
	ok(err, "a session")
	taken, first := 0, true
	for taken < 200 {
		fetches := s.PollFetches(ctx)
		ok(fetches.Err(), "poll")
		if fetches.NumRecords() == 0 {
			continue
		}
		ok(s.Begin(), "begin")
		what := "kept "
		if first {
			what = "dropped "
		}
		for _, r := range fetches.Records() {
			s.Produce(ctx, &kgo.Record{Topic: "out", Value: append([]byte(what), r.Value...)}, nil)
		}
		committed, err := s.End(ctx, kgo.TransactionEndTry(!first))
		ok(err, "end")
		if committed {
			taken += fetches.NumRecords()
		}
		first = false
	}
	s.Close()
	once := map[string]bool{}
	for _, r := range read(ctx, "out", 200) {
		that(string(r.Value[:5]) == "kept " && !once[string(r.Value)], string(r.Value))
		once[string(r.Value)] = true
	}
	a := admin()
	defer a.Close()
	fetched, err := a.FetchOffsets(ctx, "tg")
	ok(err, "offsets")
	sum := int64(0)
	fetched.Each(func(o kadm.OffsetResponse) { sum += o.At })
	that(sum == 200, "committed", sum)
	described, err := a.DescribeTransactions(ctx, "t")
	ok(err, "describe")
	that(described["t"].State == "CompleteCommit", described)
}

func main() {
	bootstrap = os.Args[2]
	ctx, cancel := context.WithTimeout(context.Background(), 120*time.Second)
	defer cancel()
	stories := map[string]func(context.Context){"admin": administer, "producer": produce, "groups": groups, "transactions": transactions}
	stories[os.Args[1]](ctx)
	fmt.Println("held: " + os.Args[1])
}
