// The engine that runs deploy/connect/front.yaml, for tests: Benthos, on which Redpanda Connect and Bento are built.
// Benthos itself has no Kafka; the output here takes the fields of kafka_franz that the file uses.
package main

import (
	"context"

	"github.com/redpanda-data/benthos/v4/public/service"
	"github.com/twmb/franz-go/pkg/kgo"

	_ "github.com/redpanda-data/benthos/v4/public/components/io"
	_ "github.com/redpanda-data/benthos/v4/public/components/pure"
)

type kafka struct {
	brokers    []string
	topic, key *service.InterpolatedString
	metadata   *service.MetadataFilter
	client     *kgo.Client
}

func spec() *service.ConfigSpec {
	return service.NewConfigSpec().
		Field(service.NewStringListField("seed_brokers")).
		Field(service.NewInterpolatedStringField("topic")).
		Field(service.NewInterpolatedStringField("key")).
		Field(service.NewMetadataFilterField("metadata")).
		Field(service.NewBoolField("idempotent_write").Default(true)).
		Field(service.NewStringField("max_message_bytes").Default("1MB"))
}

func open(conf *service.ParsedConfig, _ *service.Resources) (
	output service.BatchOutput, policy service.BatchPolicy, inFlight int, err error,
) {
	k := &kafka{}
	inFlight = 10
	if k.brokers, err = conf.FieldStringList("seed_brokers"); err != nil {
		return
	}
	if k.topic, err = conf.FieldInterpolatedString("topic"); err != nil {
		return
	}
	if k.key, err = conf.FieldInterpolatedString("key"); err != nil {
		return
	}
	if k.metadata, err = conf.FieldMetadataFilter("metadata"); err != nil {
		return
	}
	output = k
	return
}

func (k *kafka) Connect(context.Context) (err error) {
	k.client, err = kgo.NewClient(kgo.SeedBrokers(k.brokers...))
	return
}

func (k *kafka) WriteBatch(ctx context.Context, batch service.MessageBatch) error {
	records := make([]*kgo.Record, len(batch))
	for i, message := range batch {
		record := &kgo.Record{}
		var err error
		if record.Topic, err = k.topic.TryString(message); err != nil {
			return err
		}
		if record.Key, err = k.key.TryBytes(message); err != nil {
			return err
		}
		if record.Value, err = message.AsBytes(); err != nil {
			return err
		}
		_ = k.metadata.Walk(message, func(name, value string) error {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
			return nil
		})
		records[i] = record
	}
	return k.client.ProduceSync(ctx, records...).FirstErr()
}

func (k *kafka) Close(context.Context) error {
	if k.client != nil {
		k.client.Close()
	}
	return nil
}

func main() {
	if err := service.RegisterBatchOutput("kafka_franz", spec(), open); err != nil {
		panic(err)
	}
	service.RunCLI(context.Background())
}
